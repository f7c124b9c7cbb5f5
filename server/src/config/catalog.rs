//! `--catalog`: where the catalog of several servers is.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// A PostgreSQL database. Its password is not shown.
#[derive(Clone)]
pub struct CatalogUrl(Url);

impl CatalogUrl {
    pub(crate) fn url(&self) -> &Url {
        &self.0
    }
}

impl FromStr for CatalogUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "a catalog is in a PostgreSQL database: postgres://user:password@host:port/database";
        let url = Url::parse(text).map_err(|error| format!("{error}; {expected}"))?;
        match url.scheme() {
            "postgres" | "postgresql" => Ok(Self(url)),
            scheme => Err(format!("not {scheme}://; {expected}")),
        }
    }
}

impl fmt::Display for CatalogUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = self.0.clone();
        // Only URLs without a host have no place for one.
        if url.password().is_some() && url.set_password(Some("…")).is_err() {
            return f.write_str(url.scheme());
        }
        url.fmt(f)
    }
}

impl fmt::Debug for CatalogUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_not_shown() {
        let url: CatalogUrl = "postgres://lake:canary@db.example:5433/catalog".parse().expect("a database");
        for shown in [url.to_string(), format!("{url:?}")] {
            assert!(shown.contains("db.example:5433/catalog") && !shown.contains("canary"), "{shown}");
        }
        let error = "sqlite:///tmp/x".parse::<CatalogUrl>().expect_err("another database");
        assert!(error.contains("not sqlite://"), "{error}");
    }
}
