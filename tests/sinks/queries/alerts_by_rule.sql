SELECT
    alert.rule AS rule,
    argMax(alert.severity, alert.occurred_at) AS severity,
    count() AS alerts,
    countIf(alert.state != 'resolved') AS open_alerts,
    countIf(alert.action_required) AS action_required,
    min(alert.started_at) AS first_at,
    max(alert.occurred_at) AS last_at,
    argMax(alert.recommendation, alert.occurred_at) AS recommendation
FROM alerts_latest AS alert
WHERE alert.occurred_at >= {since:DateTime('UTC')} AND alert.started_at < {until:DateTime('UTC')}
GROUP BY rule
ORDER BY indexOf(['CRITICAL', 'HIGH', 'MEDIUM', 'WARNING', 'INFO'], severity), alerts DESC, rule
LIMIT {limit:UInt32}
