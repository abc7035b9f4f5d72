-- Where rates come from: a step of long contexts, a list in another currency, a discount. The rates beside them stay
-- what was applied, in USD: listed rate x exchange_rate x (1 - discount_percent / 100), rounded half up to 1e-9.
ALTER TABLE ${database}.model_rates ${on_cluster}
    ADD COLUMN IF NOT EXISTS above_input_tokens UInt64 COMMENT 'rates of calls with more input than this',
    ADD COLUMN IF NOT EXISTS listed_source LowCardinality(String) COMMENT 'empty where the rates are as listed, in USD',
    ADD COLUMN IF NOT EXISTS listed_version LowCardinality(String),
    ADD COLUMN IF NOT EXISTS listed_currency LowCardinality(String),
    ADD COLUMN IF NOT EXISTS exchange_rate Decimal(18, 9) DEFAULT 1 COMMENT 'USD for one unit of listed_currency',
    ADD COLUMN IF NOT EXISTS discount_percent Decimal(9, 6) DEFAULT 0,
    ADD COLUMN IF NOT EXISTS listed_rates Map(LowCardinality(String), Decimal(18, 9)) COMMENT 'before conversion and discount';
