-- Transactions over several tables that are perhaps not complete.
CREATE TABLE catalog_journal (
    id TEXT PRIMARY KEY,
    -- Milliseconds since 1970.
    written BIGINT NOT NULL,
    -- JSON.
    changes TEXT NOT NULL
);
