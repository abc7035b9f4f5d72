"""How a client reaches Kafka: the settings as keyword arguments of aiokafka's clients."""

import ssl
from typing import Any

from tokentrail.errors import SettingsError
from tokentrail.settings import Settings


def kafka_options(settings: Settings) -> dict[str, Any]:
    """Return `bootstrap_servers` and what else producer, consumer and admin client need to connect.

    Reads the certificate files, if there are any; no network. The names are those of
    https://aiokafka.readthedocs.io/en/stable/api.html.

    Raises:
        SettingsError: the settings do not go together, or a certificate file cannot be used.
    """
    settings.require_consistency()
    options: dict[str, Any] = {"bootstrap_servers": settings.kafka}
    protocol = settings.kafka_security_protocol
    if protocol == "PLAINTEXT":
        return options
    options["security_protocol"] = protocol
    if protocol.endswith("SSL"):
        options["ssl_context"] = _ssl_context(settings)
    if protocol.startswith("SASL_"):
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_sasl_username
        options["sasl_plain_password"] = settings.kafka_sasl_password
    return options


def _ssl_context(settings: Settings) -> ssl.SSLContext:
    cafile, certfile, keyfile = settings.kafka_ssl_cafile, settings.kafka_ssl_certfile, settings.kafka_ssl_keyfile
    try:
        context = ssl.create_default_context(cafile=cafile)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"kafka_ssl_cafile {cafile} cannot be used: {error}.") from error
    context.check_hostname = settings.kafka_ssl_check_hostname
    if certfile is None:
        return context
    try:
        # An empty password and not None: without one, OpenSSL would ask for it on the terminal.
        context.load_cert_chain(certfile, keyfile, settings.kafka_ssl_password)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"kafka_ssl_certfile {certfile} with kafka_ssl_keyfile {keyfile} cannot be used ({error}); see that both "
            "are PEM, belong together, and that kafka_ssl_password is the key's."
        ) from error
    return context
