"""Endpoints of what came in: deliveries, refused hooks, set-aside batches, rereading, and hook URLs."""

from receiver.http.endpoint import Endpoint
from receiver.intake.delivery_endpoints import get_delivery, list_deliveries
from receiver.intake.mint_endpoint import mint_hook_urls
from receiver.intake.params import DeliveryQuery, MintBody
from receiver.intake.refused_endpoint import REFUSED_ENDPOINT
from receiver.intake.reread_endpoint import REREAD_ENDPOINT
from receiver.intake.schemas import DeliveryPage, HookUrls, WholeDelivery
from receiver.intake.set_aside_endpoints import SET_ASIDE_ENDPOINTS

INTAKE_ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/deliveries",
        "List inbound deliveries",
        "Every authentic request that reached a hook, newest first, without its content.",
        "read",
        DeliveryPage,
        list_deliveries,
        DeliveryQuery,
    ),
    Endpoint(
        "GET",
        "/v1/deliveries/{id}",
        "See one delivery as it came",
        "With query, headers and body, in which phone numbers are likely.",
        "numbers",
        WholeDelivery,
        get_delivery,
    ),
    REFUSED_ENDPOINT,
    *SET_ASIDE_ENDPOINTS,
    REREAD_ENDPOINT,
    Endpoint(
        "POST",
        "/v1/hook-urls",
        "Mint hook URLs",
        "Four URLs for a task that is still to be created, to be sent along with it. Nothing is kept.",
        "mint",
        HookUrls,
        mint_hook_urls,
        body=MintBody,
    ),
)
