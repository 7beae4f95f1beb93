"""The API's application: all endpoints of /v1, pages, probes, and what their handlers use."""

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route

from receiver.analytics.chart_endpoints import CHART_ENDPOINTS
from receiver.analytics.endpoints import ANALYTICS_ENDPOINTS
from receiver.analytics.export_endpoint import EXPORT_ENDPOINT
from receiver.app import Receiver
from receiver.console.sign_in.rules import SignInRules, sign_in_rules
from receiver.console.sign_in.user_endpoint import USERS_ENDPOINT
from receiver.console.site import console_routes
from receiver.docs.endpoints import docs_routes
from receiver.http.access_log import RequestLog
from receiver.http.audit_endpoint import AUDIT_ENDPOINTS
from receiver.http.dispatch import api_routes
from receiver.http.endpoint import ApiContext, SubscriberNetwork
from receiver.http.probes import probe_routes
from receiver.http.token_endpoints import TOKEN_ENDPOINTS
from receiver.intake.endpoints import INTAKE_ENDPOINTS
from receiver.ledger.projector import Projector
from receiver.maintenance.system_endpoint import MAINTENANCE_ENDPOINTS
from receiver.observability.metrics import Metrics
from receiver.outcomes.endpoints import OUTBOUND_ENDPOINTS
from receiver.outcomes.feed import STREAM_PATH, OutcomeStream
from receiver.outcomes.task_messages import untold_tasks
from receiver.reconcile.endpoints import RECONCILE_ENDPOINTS
from receiver.reconcile.schemas import SchedulerAccounts
from receiver.settings.settings_endpoint import SETTINGS_ENDPOINT, RunningSettings
from receiver.story.endpoints import STORY_ENDPOINTS
from receiver.tasks.endpoints import TASK_ENDPOINTS
from receiver.tasks.names import Names
from receiver.tasks.problems import UntoldTasks

ENDPOINTS = (
    *TASK_ENDPOINTS,
    *RECONCILE_ENDPOINTS,
    *STORY_ENDPOINTS,
    *INTAKE_ENDPOINTS,
    *OUTBOUND_ENDPOINTS,
    *MAINTENANCE_ENDPOINTS,
    *ANALYTICS_ENDPOINTS,
    EXPORT_ENDPOINT,
    *CHART_ENDPOINTS,
    *(*AUDIT_ENDPOINTS, *TOKEN_ENDPOINTS),
    *(USERS_ENDPOINT, SETTINGS_ENDPOINT),
)
"""All endpoints of /v1 but the stream of outcomes."""


def create_app(receiver: Receiver) -> RequestLog:
    """Return the application of the API listener."""
    return RequestLog(Starlette(routes=_routes(receiver)))


def api_context(receiver: Receiver) -> ApiContext:
    """Return what handlers of the API use."""
    return ApiContext(
        store=receiver.store.for_requests(),
        signer=receiver.signer,
        public_url=receiver.settings.hook_root,
        accounts=tuple(receiver.settings.accounts),
        clock=receiver.environment.clock,
        fold=receiver.settings.fold,
        fields=receiver.fields,
        closing=receiver.closing,
        refusals=receiver.intake.refusals,
        names=Names(receiver.settings.accounts.keys()),
        regions=receiver.settings.regions,
        services={
            SchedulerAccounts: SchedulerAccounts(receiver.contexts),
            SubscriberNetwork: receiver.subscriber_network(),
            Projector: receiver.projector,
            Metrics: receiver.metrics,
            RunningSettings: RunningSettings(receiver.settings),
            SignInRules: sign_in_rules(receiver.settings),
            UntoldTasks: UntoldTasks(untold_tasks),
        },
        rules=receiver.settings.work_rules,
    )


def _routes(receiver: Receiver) -> list[BaseRoute]:
    probes = probe_routes(receiver.probe, receiver.metrics.registry)
    if not receiver.settings.role.works:
        return probes
    context = api_context(receiver)
    return [
        *probes,
        *docs_routes(),
        *(console_routes(context, ENDPOINTS) if receiver.settings.console.enabled else ()),
        *v1_routes(context),
    ]


def v1_routes(context: ApiContext) -> list[BaseRoute]:
    """Return all routes of /v1."""
    return [Route(STREAM_PATH, OutcomeStream(context).__call__), *api_routes(context, ENDPOINTS)]
