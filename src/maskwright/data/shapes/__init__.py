"""What annotation tools draw: shapes, how they become pixels, and run lengths of masks."""
