"""The formats, by the name that a subscription gives."""

from receiver.outcomes.formats.amocrm import amocrm
from receiver.outcomes.formats.bitrix24 import bitrix24
from receiver.outcomes.formats.hubspot import hubspot
from receiver.outcomes.formats.signed import cloudevents, standard, template
from receiver.outcomes.outbound import Format
from receiver.outcomes.subscription import FormatName

FORMATS: dict[FormatName, Format] = {
    "standard": standard,
    "cloudevents": cloudevents,
    "template": template,
    "bitrix24": bitrix24,
    "amocrm": amocrm,
    "hubspot": hubspot,
}

CPU_BOUND: frozenset[FormatName] = frozenset({"template"})
"""Formats that run in a thread, since they would delay the answers to hooks in the event loop."""
