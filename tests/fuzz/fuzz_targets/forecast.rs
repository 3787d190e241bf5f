#![no_main]

rocketmq_store_exporter_fuzz::target!("forecast");
