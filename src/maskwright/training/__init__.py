"""From a dataset to a Bundle: recipe, plan, loop; torch."""
