-- JSON; empty while nothing was granted.
ALTER TABLE catalog_object ADD COLUMN grants TEXT NOT NULL DEFAULT '';
