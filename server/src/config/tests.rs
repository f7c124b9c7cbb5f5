//! The command line of `arbalest serve`.

use process::config::Sources;

use super::ServerConfig;

fn load(flags: &[&str]) -> Result<ServerConfig, String> {
    let arguments = ["arbalest", "serve"].iter().chain(flags).map(Into::into).collect();
    ServerConfig::load(Sources { arguments, environment: Vec::new() }).map_err(|error| error.to_string())
}

#[test]
fn defaults() {
    let config = load(&[]).unwrap();
    assert_eq!(config.locations, [""; 0]);
    assert_eq!(config.data_dir.to_str(), Some("arbalest-data"));
    assert_eq!(config.postgres.unwrap().listen.to_string(), "127.0.0.1:5432");
    assert_eq!(config.flight.unwrap().listen.to_string(), "127.0.0.1:32010");
    assert_eq!(config.web.unwrap().listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.engine.spill_parent.to_str(), Some("arbalest-data/spill"));
    assert!(config.engine.memory_bytes > 0 && config.engine.vcores > 0);
    assert!(config.sample.is_none() && config.engine.scheduler.is_none());
}

#[test]
fn what_is_off_is_none() {
    let config = load(&["--postgres-port=off", "--flight-port=off", "--web-port=off", "--hive-port=off"]).unwrap();
    assert!(config.postgres.is_none() && config.flight.is_none() && config.web.is_none());
}

#[test]
fn everything_given() {
    let config = load(&[
        "data",
        "s3://bucket/table",
        "--sample=tpch=0.01",
        "--data-dir=/var/lib/arbalest",
        "--listen=::1",
        "--postgres-port=0",
        "--memory=1GiB",
        "--vcores=3",
        "--spill-dir=/fast",
        "--scheduler=http://scheduler:50050",
        "--shutdown-grace=5min",
    ])
    .unwrap();
    assert_eq!(config.locations, ["data", "s3://bucket/table"]);
    assert_eq!(config.sample.unwrap().scale(), 0.01);
    assert_eq!(config.postgres.unwrap().listen.to_string(), "[::1]:0");
    assert_eq!((config.engine.memory_bytes, config.engine.vcores), (1 << 30, 3));
    assert_eq!(config.engine.spill_parent.to_str(), Some("/fast"));
    assert_eq!(config.engine.scheduler.unwrap().as_str(), "http://scheduler:50050/");
    assert_eq!(config.process.shutdown_grace.as_secs(), 300);
}

#[test]
fn what_is_refused_and_why() {
    let check = |flag: &str, expected: &str| {
        let error = load(&[flag]).unwrap_err();
        let (name, value) = flag.split_once('=').unwrap();
        assert_eq!(error, format!("invalid value {value:?} for {name}: {expected}"));
    };
    check("--hive-port=10000", "the Spark Thrift front end is not part of this version; leave it out, or off");
    let listen = "clients are not authenticated, so anyone who reaches it could read everything; give --host-rules, --password-file or \
                  --authentication scram-sha-256";
    check("--listen=0.0.0.0", listen);
    check("--listen=::", listen);
    check("--listen=192.168.1.1", listen);
    check("--listen=example", "an address is an IP address such as 127.0.0.1 or ::1");
    let scale = "a scale is a number from 0.001 to 100000, as in tpch=0.1";
    for value in ["0", "-1", "nan", "inf", "big", "", "1e9", "0.0001"] {
        check(&format!("--sample=tpch={value}"), scale);
    }
    check("--sample=tpcds", "the sample is tpch or tpch=SCALE");
    check("--memory=1", "at least 64MiB are needed to run queries");
    check("--vcores=0", "at least one is needed");
    check("--scheduler=scheduler:50050", "a scheduler is a URL such as http://scheduler:50050");
    check("--postgres-connections-max=0", "at least one is needed");
}
