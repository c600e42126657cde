"""The tables of the database of a studio, of the jobs of a server, and of what it observes.

Tiles are stored by the SHA-256 of their pixels, in the database and not as files: one commit
makes an edit and all its tiles durable together, and no half of it can exist.
"""

from collections.abc import Mapping

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    insert,
    update,
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
    Column("lease_person", String(64)),
    Column("reviewer", String(64)),
    Column("priority", Float),
    Column("reason", Text),
    Column("image_key", Text),
    Column("kind", String(16)),
    Column("source_id", Integer, index=True),
    Column("source_rev", Integer),
)
"""One image, or the copy of one that a person labels for a consensus or for practice.

Its size is known once it was opened; `rev` is the number of its edits. `annotator` is the user
whose work it is; others may not paint it. Images with a higher `priority` are labelled first.
A copy has the `image_key` and the `source_id` of its image, a `kind` (`copy`, `gold` or
`practice`), and the revision of the image that it is scored by."""

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

reference = Table(
    "reference",
    metadata,
    Column("item_id", ForeignKey("item.id"), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("rev", Integer, nullable=False),
)
"""Accepted images whose class map of revision `rev` judges copies: `gold` or `practice`."""

score = Table(
    "score",
    metadata,
    Column("item_id", ForeignKey("item.id"), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("person", String(64), nullable=False, index=True),
    Column("at", Text, nullable=False),
    Column("counts", Text, nullable=False),
)
"""What a copy counts against the map that judges it, as additive counts in JSON."""

comment = Table(
    "comment",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("item_id", ForeignKey("item.id"), nullable=False, index=True),
    Column("thread", Integer),
    Column("rev", Integer, nullable=False),
    Column("x", Float),
    Column("y", Float),
    Column("text", Text, nullable=False),
    Column("author", String(64), nullable=False),
    Column("at", Text, nullable=False),
    Column("resolved_by", String(64)),
)
"""What people say about an image, at a pixel or about all of it; answers have the number of
the first comment of their `thread`, which is open until somebody resolves it."""

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

record = Table(
    "record",
    metadata,
    Column("n", Integer, primary_key=True),
    Column("at", Float, nullable=False, index=True),
    Column("model", String(100), nullable=False),
    Column("version", String(16), nullable=False),
    Column("bundle", String(64), nullable=False),
    Column("source", String(100), nullable=False),
    Column("key", String(200), nullable=False, index=True),
    Column("seconds", Float, nullable=False),
    Column("engine_s", Float, nullable=False),
    Column("num_px", Integer, nullable=False),
    Column("uncertainty", Float, nullable=False),
    Column("families", Text, nullable=False),
    Column("image", String(200), nullable=False),
    Column("is_reference", Boolean, nullable=False),
    Column("score", Text),
    Column("lot", String(100)),
    Column("levels", Text),
    Column("figures", Text),
    Index("record_of_bundle", "bundle", "is_reference", "at"),
)
"""One predicted image of a server: numbers, and no pixel. `image` is the name of its
files where they are kept, and `score` the counts against its truth where that has come.
`levels` are the histograms of its channels, and `figures` what the rules of the server measure
in its class map, both in JSON; a row of before version 4 has neither and no `lot`."""

window = Table(
    "window",
    metadata,
    Column("start", Float, primary_key=True),
    Column("length", Integer, primary_key=True),
    Column("model", String(100), primary_key=True),
    Column("bundle", String(64), primary_key=True),
    Column("source", String(100), primary_key=True),
    Column("document", Text, nullable=False),
)
"""Sums of records over a minute or an hour (`length` in seconds), kept longer than they are."""

alarm = Table(
    "alarm",
    metadata,
    Column("n", Integer, primary_key=True),
    Column("topic", String(300), nullable=False, index=True),
    Column("level", String(16), nullable=False),
    Column("began", Float, nullable=False),
    Column("last", Float, nullable=False),
    Column("count", Integer, nullable=False),
    Column("ended", Float),
    Column("acknowledged", Float),
    Column("acknowledged_by", String(100)),
    Column("document", Text, nullable=False),
)
"""What an operator should know. While an alarm is open, more of its topic adds to its count."""

delivery = Table(
    "delivery",
    metadata,
    Column("n", Integer, primary_key=True),
    Column("alarm", ForeignKey("alarm.n"), nullable=False),
    Column("channel", String(100), nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("attempts", Integer, nullable=False),
    Column("due", Float, nullable=False),
    Column("error", Text, nullable=False),
)
"""An alarm to send by one channel; those that are `dead` were given up, with the last error."""


Row = Mapping[str, object]


def set_row(connection: Connection, table: Table, key: Row, values: Row) -> None:
    """Set the values of the row of this key, or add it; both are by name of the column."""
    match = [table.c[name] == value for name, value in key.items()]
    if not connection.execute(update(table).where(*match).values(**values)).rowcount:
        connection.execute(insert(table).values(**key, **values))
