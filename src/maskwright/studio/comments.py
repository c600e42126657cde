"""Comments on images: at a pixel or about the whole, answered in threads, resolved."""

from ..store import comments as stored
from ..store.chain import add_event
from ..store.comments import Comment
from .errors import StudioError
from .people import Person
from .project import Project
from .visibility import find_visible

MOST_LETTERS = 2000
MOST_COMMENTS = 2000
"""On one image."""


def add_comment(
    project: Project,
    item_id: int,
    text: str,
    person: Person,
    *,
    at_xy: tuple[float, float] | None = None,
    thread: int | None = None,
) -> Comment:
    """Add a comment, or an answer to a thread.

    Raises:
        StudioError: 404, no such image; 422, no such thread, a pixel outside of the image, or
            too many comments.
    """
    project.open_item(item_id)
    with project.store.write() as connection:
        item = find_visible(project, connection, item_id, person)
        height, width = item.size_HW or (0, 0)
        if at_xy is not None and not (0 <= at_xy[0] <= width and 0 <= at_xy[1] <= height):
            raise StudioError(422, f"{at_xy} is outside of the image of {width} x {height}")
        there = list(stored.list_comments(connection, item_id))
        if len(there) >= MOST_COMMENTS:
            raise StudioError(422, f"{item.key}: has {len(there)} comments, more do not fit")
        if thread is not None and thread not in {c.id for c in there if c.thread is None}:
            raise StudioError(422, f"{item.key}: has no thread {thread}")
        comment = stored.add_comment(
            connection, item_id, text, person.name, rev=item.rev, thread=thread, at_xy=at_xy
        )
        document = {"comment": comment.id, "thread": thread, "text": text, "at_xy": at_xy}
        add_event(connection, "comment", document, actor=person.name, item_id=item_id)
        return comment


def resolve_comment(
    project: Project, item_id: int, comment_id: int, person: Person, *, is_open: bool
) -> Comment:
    """Close a thread, or open it again.

    Raises:
        StudioError: 404, no such thread.
    """
    with project.store.write() as connection:
        item = find_visible(project, connection, item_id, person)
        comment = stored.find_comment(connection, comment_id)
        if comment is None or comment.item_id != item_id or comment.thread is not None:
            raise StudioError(404, f"{item.key}: has no thread {comment_id}")
        changed = stored.resolve_comment(
            connection, comment_id, None if is_open else person.name
        )
        document = {"comment": comment_id, "open": is_open}
        add_event(connection, "resolve", document, actor=person.name, item_id=item_id)
        return changed


def list_comments(project: Project, item_id: int, person: Person) -> list[Comment]:
    """The comments of one image, oldest first.

    Raises:
        StudioError: 404, no such image.
    """
    with project.store.read() as connection:
        find_visible(project, connection, item_id, person)
        return list(stored.list_comments(connection, item_id))


def describe_comment(comment: Comment) -> dict[str, object]:
    """A comment as JSON."""
    return {
        "id": comment.id,
        "thread": comment.thread,
        "rev": comment.rev,
        "at_xy": comment.at_xy,
        "text": comment.text,
        "author": comment.author,
        "at": comment.at,
        "resolved_by": comment.resolved_by,
    }
