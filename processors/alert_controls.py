"""Acknowledgements and silences: what holds now, and how a new one is made known."""

from collections.abc import Iterable

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from tokentrail.errors import BrokerError
from tokentrail.kafka_security import kafka_options
from tokentrail.processors.whole_topics import open_topics, what_to_check
from tokentrail.schemas import topics
from tokentrail.schemas.alert_controls import Acknowledgement, AlertControl, Silence, decode_control, encode_control
from tokentrail.settings import Settings


class ControlBook:
    """The newest state of each control. Pure."""

    def __init__(self, controls: Iterable[AlertControl] = ()) -> None:
        self.acknowledgements: dict[str, Acknowledgement] = {}
        """By alert id."""
        self.silences: dict[str, Silence] = {}
        """By control id; those that are over, too: they say why an alert of back then was not delivered."""
        for control in controls:
            self.take(control)

    def take(self, control: AlertControl) -> None:
        """Take in a control, in the order of the topic."""
        if isinstance(control, Acknowledgement):
            self.acknowledgements[control.alert_id] = control
        else:
            self.silences[control.control_id] = control

    def acknowledged_by(self, alert_id: str) -> str:
        """Return who has taken an alert on; empty if nobody has."""
        found = self.acknowledgements.get(alert_id)
        return found.acknowledged_by if found else ""


def read_control(payload: bytes | None) -> AlertControl | None:
    """Decode a record of the topic; None if it is not one, or of a version that this one does not know."""
    try:
        control: AlertControl = decode_control(payload or b"")
    except msgspec.MsgspecError:
        return None
    return control


async def read_controls(settings: Settings) -> ControlBook:
    """Read what holds now.

    Raises:
        BrokerError: the broker does not answer or refuses, or the topic is not there.
    """
    book = ControlBook()
    async with open_topics(settings, [topics.ALERT_CONTROLS.name]) as (consumer, partitions):
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    control = read_control(record.value)
                    if control is not None:
                        book.take(control)
    return book


async def publish_control(settings: Settings, control: AlertControl) -> None:
    """Write a control; returns once Kafka has it.

    Raises:
        BrokerError: Kafka cannot be reached or refuses; the control may have been written all the same.
    """
    topic = settings.topic(topics.ALERT_CONTROLS.name)
    producer = AIOKafkaProducer(**kafka_options(settings), acks="all", enable_idempotence=True)
    try:
        await producer.start()
        await producer.send_and_wait(topic, encode_control(control), control.control_id.encode())
    except KafkaError as error:
        raise BrokerError(
            f"Nothing can be written to the topic {topic} of Kafka at {settings.kafka} ({error}); "
            f"{what_to_check(settings)}"
        ) from error
    finally:
        await producer.stop()
