"""A Django site with dj-stripe's webhook view and nothing else. It runs in the peer's own environment.

`python djstripe_site.py` makes the tables and rows that the view looks for, `djstripe_site:application` is
the site. $BENCH_DATABASE and $BENCH_HOST name the database.
"""

import os
from typing import Any

import django  # type: ignore[import-not-found]
from django.conf import settings  # type: ignore[import-not-found]

KEY, SECRET, ENDPOINT = (
    "sk_test_benchbenchbenchbenchbench",
    "whsec_bench",
    "3f0b8d5e-6c55-4f0e-9d7a-000000000001",
)

settings.configure(
    DEBUG=False,
    SECRET_KEY="bench",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="djstripe_site",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "djstripe"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    USE_TZ=True,
    LOGGING_CONFIG=None,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": os.environ["BENCH_DATABASE"],
            "HOST": os.environ["BENCH_HOST"],
            "USER": "postgres",
            # Without a pool every request would connect anew: each has a thread of its own under ASGI.
            "OPTIONS": {"pool": {"min_size": 4, "max_size": 20}},
        }
    },
    STRIPE_TEST_SECRET_KEY=KEY,
    STRIPE_LIVE_MODE=False,
    DJSTRIPE_FOREIGN_KEY_TO_FIELD="id",
)
django.setup()

from django.core.asgi import get_asgi_application  # type: ignore[import-not-found]  # noqa: E402
from django.urls import include, path  # type: ignore[import-not-found]  # noqa: E402

urlpatterns: list[Any] = [path("stripe/", include("djstripe.urls", namespace="djstripe"))]
application: Any = get_asgi_application()


def prepare() -> None:
    """Tables, an account with its key, and a webhook endpoint whose signatures are checked."""
    from django.core.management import call_command  # type: ignore[import-not-found]
    from djstripe.models import Account, APIKey, WebhookEndpoint  # type: ignore[import-not-found]

    call_command("migrate", verbosity=0)
    account = Account.objects.create(id="acct_bench", livemode=False)
    APIKey.objects.create(
        id="mk_bench", secret=KEY, type="secret", livemode=False, djstripe_owner_account=account
    )
    WebhookEndpoint.objects.create(
        id="we_bench",
        djstripe_uuid=ENDPOINT,
        secret=SECRET,
        livemode=False,
        url="http://127.0.0.1/stripe/",
        enabled_events=["*"],
        djstripe_owner_account=account,
    )


if __name__ == "__main__":
    prepare()
