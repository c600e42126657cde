"""The tables of the database of a studio, and of the jobs of a server.

Tiles are stored by the SHA-256 of their pixels, in the database and not as files: one commit
makes an edit and all its tiles durable together, and no half of it can exist.
"""

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)
"""What the whole store is about: version of the tables, classes, size of tiles."""

item = Table(
    "item",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("split", Text, nullable=False),
    Column("group_key", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("height", Integer),
    Column("width", Integer),
    Column("rev", Integer, nullable=False),
    Column("lease_client", String(64)),
    Column("lease_session", String(64)),
    Column("lease_until", Float),
    Column("annotator", String(64)),
)
"""One image. Its size is known once it was opened; `rev` is the number of its edits.
`annotator` is the user whose work it is; others may not paint it."""

blob = Table(
    "blob",
    metadata,
    Column("sha", String(64), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
"""The pixels of one tile, compressed by zlib; `sha` is that of the pixels."""

tile = Table(
    "tile",
    metadata,
    Column("item_id", ForeignKey("item.id"), primary_key=True),
    Column("column", Integer, primary_key=True),
    Column("row", Integer, primary_key=True),
    Column("sha", ForeignKey("blob.sha"), nullable=False),
)
"""The present tiles of the class map of each image that was opened."""

event = Table(
    "event",
    metadata,
    Column("n", Integer, primary_key=True),
    Column("at", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("verb", String(16), nullable=False),
    Column("item_id", ForeignKey("item.id")),
    Column("seq", Integer),
    Column("request_key", String(100), unique=True),
    Column("document", Text, nullable=False),
    Column("prev_sha", String(64), nullable=False),
    Column("sha", String(64), nullable=False),
    Index("event_of_item", "item_id", "seq"),
)
"""All that was ever done, in order; rows are added, and never changed (`chain.py`)."""

session = Table(
    "session",
    metadata,
    Column("sha", String(64), primary_key=True),
    Column("user", String(64)),
    Column("expires", Float, nullable=False),
)
"""The browsers that may come in, by the hash of their secret; without a user, by the link."""

user = Table(
    "user",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("password_hash", Text, nullable=False),
)
"""The people who log in."""

job = Table(
    "job",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("n", Integer, nullable=False, unique=True),
    Column("owner", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("document", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("ended", Float),
    Column("attempts", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("num_failed", Integer, nullable=False),
    Column("error", Text, nullable=False),
)
"""Work that a client of a server asked for; `n` is its place in the queue."""
