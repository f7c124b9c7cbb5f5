//! Empty: the tests are in `integration/` (Rust), `clients/` (Python) and `slt/` (SQL scripts), the measurements in `benchmark/`.
