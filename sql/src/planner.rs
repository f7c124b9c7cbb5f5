//! Parsed query → logical plan.
