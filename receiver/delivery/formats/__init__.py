"""The formats, by the name under which a subscription asks for one."""

from receiver.delivery.formats.amocrm import AmoCrm
from receiver.delivery.formats.bitrix24 import Bitrix24
from receiver.delivery.formats.cloudevents import CloudEvents
from receiver.delivery.formats.hubspot import HubSpot
from receiver.delivery.formats.standard import Standard
from receiver.delivery.formats.template import FromTemplate
from receiver.delivery.letter import Format
from receiver.domain import wishes

FORMATS: dict[wishes.Format, Format] = {
    "standard": Standard(),
    "cloudevents": CloudEvents(),
    "template": FromTemplate(),
    "bitrix24": Bitrix24(),
    "amocrm": AmoCrm(),
    "hubspot": HubSpot(),
}
