"""The queue in the database: the only code that knows SQLAlchemy."""
