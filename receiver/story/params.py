"""Query parameters of the story."""

from pydantic import Field

from receiver.http.schemas import Word
from receiver.i18n.catalogue import Language
from receiver.tasks.params import AsOfQuery


class StoryQuery(AsOfQuery):
    """How the story is told."""

    zone: Word | None = Field(
        None,
        description="Time zone of the sentences. Default: `analytics.zone` in the settings.",
        examples=["Europe/Moscow"],
    )
    lang: Language = Field("en", description="Language of the sentences.", examples=["en"])
