from tokentrail.processors.record_batches import OrderedAcks


class _Event:
    def __init__(self, name: str, acked: list[str]) -> None:
        self._name = name
        self._acked = acked

    def ack(self) -> None:
        self._acked.append(self._name)


def test_batches_are_acknowledged_in_order_and_only_behind_what_is_accounted_for() -> None:
    acked: list[str] = []
    acks = OrderedAcks()
    for name, second in (("a", 5), ("b", None), ("c", 9), ("d", 7)):
        acks.hold(_Event(name, acked), second)  # type: ignore[arg-type]  # all that is asked of an event is ack()
    acks.release(None)
    assert acked == []
    acks.release(8)
    assert acked == ["a", "b"], "d is accounted for, but behind c"
    acks.release(9)
    assert acked == ["a", "b", "c", "d"]
