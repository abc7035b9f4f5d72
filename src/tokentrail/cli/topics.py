"""`tokentrail topics`: creates the topics that are missing, and lists all."""

import asyncio

from tokentrail.cli.output import JsonFlag, print_json, print_table


def topics(as_json: JsonFlag = False) -> None:
    """Create the topics that are missing, and list all with what is in them. Changes no topic that is there."""
    import msgspec

    from tokentrail.compose.topics import create_topics
    from tokentrail.settings import current_settings

    reports = asyncio.run(create_topics(current_settings()))
    if as_json:
        print_json([msgspec.structs.asdict(report) for report in reports])
        return
    print_table(
        "Topics",
        ("topic", "state", "partitions", "records", "end offsets", "purpose"),
        (
            (
                report.name,
                "; ".join((report.outcome, *report.differences)),
                report.partitions,
                f"{report.records:,}",
                f"{report.end_offset:,}",
                report.purpose,
            )
            for report in reports
        ),
        right=("partitions", "records", "end offsets"),
    )
