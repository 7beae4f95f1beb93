"""`receiver` without the projection of phone numbers, as the ground of comparison."""

from receiver import app
from receiver.cli import main
from receiver.tasks.search_projection import Search

if __name__ == "__main__":
    others = tuple(each for each in app.PROJECTIONS if not isinstance(each, Search))
    setattr(app, "PROJECTIONS", others)  # noqa: B010 -- of another type than all of them
    main()
