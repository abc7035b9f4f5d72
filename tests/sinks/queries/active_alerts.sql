SELECT
    alert.severity AS severity,
    alert.rule AS rule,
    alert.dimension AS dimension,
    replaceAll(alert.entity, char(31), ' / ') AS entity,
    alert.summary AS summary,
    alert.recommendation AS recommendation,
    alert.started_at AS started_at,
    alert.acknowledged_by AS acknowledged_by
FROM alerts_latest AS alert
WHERE alert.state != 'resolved'
    AND alert.started_at >= {since:DateTime('UTC')} AND alert.started_at < {until:DateTime('UTC')}
ORDER BY indexOf(['CRITICAL', 'HIGH', 'MEDIUM', 'WARNING', 'INFO'], severity), started_at DESC, rule, entity
LIMIT {limit:UInt32}
