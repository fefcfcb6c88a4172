"""Takes objects by which API servers call into the cluster, gives the Services that they name.

Admission webhooks, conversion webhooks of custom resources, aggregated APIs.
"""

from __future__ import annotations

from typing import NamedTuple

from netpol.kube.api.objects import Lenient, ObjectMeta
from netpol.kube.read.documents import Document, decode

__all__ = ["Callback", "callbacks_of", "is_callback"]

_GROUPS = {
    "ValidatingWebhookConfiguration": "admissionregistration.k8s.io",
    "MutatingWebhookConfiguration": "admissionregistration.k8s.io",
    "APIService": "apiregistration.k8s.io",
    "CustomResourceDefinition": "apiextensions.k8s.io",
}
#: What the API server fills in where no port is given.
_DEFAULT_PORT = 443


class Callback(NamedTuple):
    """A Service that API servers call, and the object that names it: ``Kind name``."""

    label: str
    namespace: str
    service: str
    port: int


class ServiceReference(Lenient, frozen=True):
    """A Service by name."""

    namespace: str | None = None
    name: str | None = None
    port: int | None = None


class ClientConfig(Lenient, frozen=True):
    """How a webhook is called: by a Service, or by a URL that is not looked at."""

    service: ServiceReference | None = None


class Webhook(Lenient, frozen=True):
    """One admission webhook."""

    client_config: ClientConfig | None = None


class ConversionWebhook(Lenient, frozen=True):
    """The webhook that converts a custom resource (v1)."""

    client_config: ClientConfig | None = None


class Conversion(Lenient, frozen=True):
    """How versions of a custom resource are converted; ``webhook_client_config`` is v1beta1's."""

    webhook: ConversionWebhook | None = None
    webhook_client_config: ClientConfig | None = None


class CallbackSpec(Lenient, frozen=True):
    """What an APIService, or a CustomResourceDefinition, says of it."""

    service: ServiceReference | None = None
    conversion: Conversion | None = None


class CallbackObject(Lenient, frozen=True):
    """Any of these objects."""

    metadata: ObjectMeta = ObjectMeta()
    webhooks: list[Webhook] | None = None
    spec: CallbackSpec | None = None


def is_callback(api_version: str, kind: str) -> bool:
    """Return whether an object may name Services that API servers call."""
    group = _GROUPS.get(kind)
    return group is not None and api_version.partition("/")[0] == group


def callbacks_of(document: Document) -> list[Callback]:
    """Return the Services that an object names; ``ManifestError`` if it is malformed."""
    found = decode(document, CallbackObject)
    configs = [each.client_config for each in found.webhooks or ()]
    references = []
    if found.spec is not None:
        references.append(found.spec.service)
        conversion = found.spec.conversion
        if conversion is not None:
            configs.append(conversion.webhook_client_config)
            if conversion.webhook is not None:
                configs.append(conversion.webhook.client_config)
    references += [each.service for each in configs if each is not None]
    label = f"{document.kind} {found.metadata.name}"
    return [
        Callback(label, each.namespace, each.name, each.port or _DEFAULT_PORT)
        for each in references
        if each is not None and each.name and each.namespace
    ]
