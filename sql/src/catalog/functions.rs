//! Functions of the session.
