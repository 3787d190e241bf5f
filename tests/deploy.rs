//! What is deployed agrees with the program and with itself. What other programs think of it, `tests/deploy/check` asks.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde::Deserialize;
use serde_yaml::Value;

const RULES: [&str; 2] = ["alerts/rocketmq-store.rules.yaml", "alerts/thresholds.rules.yaml"];
const OBJECT: &str = "deploy/kubernetes/base/prometheusrule.yaml";

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn yaml(name: &str) -> Value {
    serde_yaml::from_str(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Groups of a rule file with the comments between them, as they stand below `groups:`.
fn groups(name: &str) -> String {
    let text = read(name);
    let (_, groups) = text.split_once("\ngroups:\n").unwrap_or_else(|| panic!("{name} has groups"));
    groups.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") }).collect()
}

#[test]
fn the_rules_for_the_operator_are_those_for_prometheus() {
    let head = "# Made of alerts/*.rules.yaml: UPDATE_GOLDEN=1 cargo test --test deploy writes it anew.\n\
                apiVersion: monitoring.coreos.com/v1\n\
                kind: PrometheusRule\n\
                metadata:\n  name: rocketmq-store-exporter\n\
                spec:\n  groups:\n";
    let object = format!("{head}{}", RULES.map(groups).concat());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path(OBJECT), &object).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path(OBJECT)).unwrap_or_default(), object);
    let all: Vec<Value> =
        RULES.iter().flat_map(|name| yaml(name)["groups"].as_sequence().unwrap().clone()).collect();
    assert_eq!(yaml(OBJECT)["spec"]["groups"].as_sequence().unwrap(), &all);
}

/// Mounts of a container by path: volume and sub path.
fn mounts(container: &Value) -> BTreeMap<String, (String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = container["volumeMounts"].as_sequence().unwrap();
    all.iter()
        .map(|mount| (text(&mount["mountPath"]), (text(&mount["name"]), text(&mount["subPath"]))))
        .collect()
}

/// The brokers' own containers in the example of a layout.
fn brokers(layout: &str) -> Vec<Value> {
    let text = read(&format!("deploy/kubernetes/overlays/{layout}/broker.yaml"));
    let sets = serde_yaml::Deserializer::from_str(&text).map(|each| Value::deserialize(each).unwrap());
    sets.map(|set| set["spec"]["template"]["spec"]["containers"][0].clone()).collect()
}

/// Paths that are in a variable of the exporter have to be below one of `mounted`.
fn all_told_is_mounted(layout: &str, sidecar: &Value, mounted: &[&str]) {
    let env = sidecar["env"].as_sequence().unwrap();
    let mut told = 0;
    for name in ["STORE_PATH", "LOGS_PATH", "BROKER_CONF"] {
        let variable = format!("ROCKETMQ_STORE_EXPORTER_{name}");
        let Some(value) = env.iter().find(|each| each["name"] == variable.as_str()) else { continue };
        let value = value["value"].as_str().unwrap();
        assert!(mounted.iter().any(|mount| value.starts_with(mount)), "{layout}: {value} is mounted");
        told += 1;
    }
    assert_eq!(told, 3, "{layout}");
}

#[test]
fn the_exporter_looks_where_the_broker_writes_and_writes_nowhere_there() {
    for layout in ["official-chart", "kubeblocks"] {
        let patch = yaml(&format!("deploy/kubernetes/components/layout-{layout}/mounts.yaml"));
        let sidecar = &patch["spec"]["template"]["spec"]["initContainers"][0];
        let mounted = mounts(sidecar);
        for broker in brokers(layout) {
            for (at, volume) in &mounted {
                assert_eq!(mounts(&broker).get(at), Some(volume), "{layout}: {at}");
            }
        }
        let all = sidecar["volumeMounts"].as_sequence().unwrap();
        assert!(all.iter().all(|mount| mount["readOnly"] == Value::Bool(true)), "{layout}");
        all_told_is_mounted(layout, sidecar, &mounted.keys().map(String::as_str).collect::<Vec<_>>());
    }
}

/// The operator's subPath differs from broker to broker: mounts are copied, by their place in the list.
#[test]
fn what_is_copied_from_the_operator_s_broker_is_what_the_exporter_is_told() {
    let copied = "/spec/template/spec/containers/0/volumeMounts/";
    let to = "/spec/template/spec/initContainers/0/volumeMounts/0";
    let patch = yaml("deploy/kubernetes/components/layout-operator/mounts.yaml");
    let patch = patch.as_sequence().unwrap();
    let of = |op: &'static str| patch.iter().filter(move |each| each["op"] == op);
    let tested: BTreeMap<&str, &str> = of("test")
        .filter_map(|test| Some((test["path"].as_str()?.strip_prefix(copied)?, test["value"].as_str()?)))
        .collect();
    let mut mounted = Vec::new();
    for copy in of("copy") {
        let place = copy["from"].as_str().unwrap().strip_prefix(copied).unwrap();
        let path = tested[format!("{place}/mountPath").as_str()];
        let all = brokers("operator");
        assert_eq!(all.len(), 2);
        for broker in &all {
            assert_eq!(broker["volumeMounts"][place.parse::<usize>().unwrap()]["mountPath"], path);
        }
        assert_eq!(copy["path"], to);
        mounted.push(path);
    }
    let read_only = of("add").filter(|add| add["path"] == format!("{to}/readOnly").as_str());
    assert_eq!((mounted.len(), read_only.filter(|add| add["value"] == Value::Bool(true)).count()), (3, 3));
    let settings = yaml("deploy/kubernetes/components/layout-operator/settings.yaml");
    all_told_is_mounted("operator", &settings["spec"]["template"]["spec"]["initContainers"][0], &mounted);
}

/// Words of a text that begin like the exporter's variables.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("ROCKETMQ_STORE_EXPORTER_"))
}

#[test]
fn manifests_and_unit_use_flags_variables_and_an_image_that_there_are() {
    let help = |command: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_rocketmq-store-exporter"))
            .args([command, "--help"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let (serve, preview) = (help("serve"), help("preview"));
    let image = format!("image: rocketmq-store-exporter:{}", env!("CARGO_PKG_VERSION"));
    let sidecar = read("deploy/kubernetes/components/sidecar/sidecar.yaml");
    assert!(sidecar.contains(&image));
    // Where the environment of an image tells the broker's release.
    assert!(sidecar.contains("- name: ROCKETMQ_VERSION"));
    assert!(read("src/app/options.rs").contains("var(\"ROCKETMQ_VERSION\")"));
    assert!(read("deploy/Dockerfile").contains(&format!("version=\"{}\"", env!("CARGO_PKG_VERSION"))));
    let repair = read("deploy/kubernetes/repair/pod.yaml");
    assert!(repair.contains(&image));
    let files = [
        "layout-official-chart/mounts",
        "layout-operator/settings",
        "layout-kubeblocks/mounts",
        "web-config/web-config",
    ]
    .map(|name| format!("deploy/kubernetes/components/{name}.yaml"));
    let units = ["service", "default"].map(|kind| format!("deploy/systemd/rocketmq-store-exporter.{kind}"));
    // The one above.
    let mut named = 1;
    for text in files.iter().chain(&units).map(|name| read(name)).chain([sidecar, repair]) {
        for variable in variables(&text) {
            assert!(serve.contains(&format!("[env: {variable}=")), "{variable}");
            named += 1;
        }
    }
    assert!(named > 18, "{named}");
    let gate = yaml("deploy/kubernetes/components/gate/gate.yaml");
    let args = gate[0]["value"]["args"].as_sequence().unwrap();
    for flag in
        args.iter().filter_map(|arg| arg.as_str()?.split('=').next()).filter(|arg| arg.starts_with("--"))
    {
        assert!(preview.contains(&format!("{flag} ")) || preview.contains(&format!("{flag}\n")), "{flag}");
    }
}

#[test]
fn the_text_tells_the_memory_that_the_unit_has() {
    let unit = read("deploy/systemd/rocketmq-store-exporter.service");
    let limit = unit.lines().find_map(|line| line.strip_prefix("MemoryMax=")).unwrap();
    assert!(read("deploy/README.md").contains(&format!("`MemoryMax={limit}`")));
}
