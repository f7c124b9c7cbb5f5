-- The same statements are valid in SQLite and in PostgreSQL.

-- One row. Each transaction takes the next version first, and thereby waits for the one before it.
CREATE TABLE catalog_state (
    version BIGINT NOT NULL,
    next_oid BIGINT NOT NULL
);

-- What was dropped stays, so that servers which know it hear of its end. Oids are not used again.
CREATE TABLE catalog_object (
    oid BIGINT PRIMARY KEY,
    -- Objects of one name space and parent have different names.
    name_space TEXT NOT NULL,
    -- The schema of what is in one; 0 for others.
    parent BIGINT NOT NULL,
    name TEXT NOT NULL,
    owner TEXT NOT NULL,
    -- JSON.
    definition TEXT NOT NULL,
    -- Of the transaction that changed it last.
    version BIGINT NOT NULL,
    -- 0 or 1.
    dropped BIGINT NOT NULL
);

CREATE UNIQUE INDEX catalog_object_name ON catalog_object (name_space, parent, name) WHERE dropped = 0;
CREATE INDEX catalog_object_version ON catalog_object (version);

-- Oids of tables that are not in the catalog: those at locations which servers are told.
CREATE TABLE catalog_served (
    name TEXT PRIMARY KEY,
    oid BIGINT NOT NULL
);

-- PostgreSQL keeps smaller oids for its own objects.
INSERT INTO catalog_state (version, next_oid) VALUES (1, 16384);
INSERT INTO catalog_object (oid, name_space, parent, name, owner, definition, version, dropped)
VALUES (2200, 'schema', 0, 'public', 'arbalest', '{"kind":"schema","comment":"standard public schema"}', 1, 0);
