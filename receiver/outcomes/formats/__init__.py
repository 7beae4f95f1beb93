"""The formats, by the name under which a subscription asks for one."""

from receiver.outcomes import subscription_filter
from receiver.outcomes.formats.amocrm import AmoCrm
from receiver.outcomes.formats.bitrix24 import Bitrix24
from receiver.outcomes.formats.cloudevents import CloudEvents
from receiver.outcomes.formats.hubspot import HubSpot
from receiver.outcomes.formats.standard import Standard
from receiver.outcomes.formats.template import FromTemplate
from receiver.outcomes.outbound import Format

FORMATS: dict[subscription_filter.Format, Format] = {
    "standard": Standard(),
    "cloudevents": CloudEvents(),
    "template": FromTemplate(),
    "bitrix24": Bitrix24(),
    "amocrm": AmoCrm(),
    "hubspot": HubSpot(),
}
