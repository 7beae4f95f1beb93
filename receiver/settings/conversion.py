"""Settings in the shapes that the parts of the receiver take."""

from collections.abc import Mapping

from receiver.domain.hooks import HookSigner
from receiver.errors import SettingsError
from receiver.intake.access import Access, FixedAccess
from receiver.intake.intake import IntakeRules
from receiver.intake.listener import Limits
from receiver.maintenance.retention import RetentionRules
from receiver.observability.traces import Traces
from receiver.outcomes.guard import GuardedTransport, read_networks
from receiver.outcomes.proxy import find_route
from receiver.reconcile.policy import Policy
from receiver.scheduler.account import SchedulerAccount
from receiver.settings.models import (
    AccountSettings,
    DeliverySettings,
    ListenerSettings,
    RetentionSettings,
    TracesSettings,
)
from receiver.settings.settings import Settings

_DAY_S = 86_400.0


def open_traces(settings: TracesSettings) -> Traces | None:
    """Return the exporter of spans; None if no endpoint is set. Raise NotInstalledError."""
    return Traces(str(settings.endpoint), settings.share) if settings.endpoint else None


def scheduler_account(name: str, account: AccountSettings) -> SchedulerAccount:
    """Return what the API client needs of an account."""
    return SchedulerAccount(
        name=name,
        base_url=str(account.base_url),
        client_id=account.client_id,
        oauth_client_id=account.oauth_client_id,
        oauth_client_secret=account.oauth_client_secret.get_secret_value(),
        token_url=str(account.token_url) if account.token_url else None,
        task_segment=account.task_segment,
        create_segment=account.create_segment,
        per_page=account.per_page,
        timeout=account.timeout_s,
        quickest_call=account.quickest_call_s,
    )


def subscriber_transport(settings: DeliverySettings) -> GuardedTransport:
    """Return the way to subscribers: to public addresses and allowed networks only. Raises SettingsError."""
    proxy = settings.proxy.get_secret_value() if settings.proxy else None
    try:
        route = find_route(proxy, settings.no_proxy)
    except ValueError as error:
        raise SettingsError(f"delivery.proxy, or the variable HTTPS_PROXY: {error}") from None
    return GuardedTransport(read_networks(settings.allowed_networks), route=route)


def intake_rules(settings: Settings, signer: HookSigner) -> IntakeRules:
    """Return which hooks are accepted."""
    access = Access(signer, fixed_access(settings.accounts), settings.trusted_proxies)
    return IntakeRules(access, settings.max_body_bytes)


def fixed_access(accounts: Mapping[str, AccountSettings]) -> dict[str, FixedAccess]:
    """Return account → what its fixed hook URLs require."""
    return {
        name: FixedAccess(
            account.fixed_secret.get_secret_value() if account.fixed_secret else None, account.fixed_addresses
        )
        for name, account in accounts.items()
    }


def reconcile_policy(settings: Settings, account: AccountSettings) -> Policy:
    """Return the rules by which an account is reconciled."""
    rules = settings.reconcile
    return Policy(
        margins=rules.margins,
        waits={
            "find": rules.ask_again_s,
            "progress": rules.ask_again_s,
            "confirm": max(rules.confirm_after_s, 1.0),
            "call": max(rules.confirm_after_s, 1.0),
            "settle": rules.ask_again_s,
        },
        sweep_every=rules.sweep_every_s,
        poll=rules.poll_s,
        quota_share=account.quota_share,
        keep=retention_rules(settings.retention).tasks,
    )


def retention_rules(settings: RetentionSettings) -> RetentionRules:
    """Return how long each kind of data is kept."""
    days = settings.deliveries_days, settings.set_aside_days, settings.tasks_days, settings.audit_days
    return RetentionRules(*(None if day is None else day * _DAY_S for day in days))


def listener_limits(settings: ListenerSettings) -> Limits:
    """Return the limits of the hook listener."""
    return Limits(**settings.model_dump())
