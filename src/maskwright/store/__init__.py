"""Store: the database of services; the only package that imports SQLAlchemy."""
