import Configuration
import Foundation
package import GatewayCore
import Telemetry

/// The settings of `gateway.yaml`, overridden by the environment.
package struct GatewaySettings: Sendable, Equatable {
    package enum BrokerMode: String, CaseIterable, Sendable {
        case embedded
        case external
    }

    package var storePath = ""
    package var rawDays = 0
    package var hourlyDays = 0
    package var dailyDays = 0
    package var brokerMode = BrokerMode.embedded
    package var brokerHost = ""
    package var brokerPort = 0
    package var clientID = ""
    package var username = ""
    package var password = ""
    package var caFile = ""
    package var certificateFile = ""
    package var keyFile = ""
    package var keepaliveSeconds = 0
    package var receiveMaximum = 0
    package var embeddedConfig = ""
    package var embeddedData = ""
    package var webHost = ""
    package var webPort = 0
    package var catalogue = ""
    package var rules = ""
    package var stations = ""
    package var sources = ""
    package var messages = ""
    package var messagesFile = ""
    /// Names this gateway in the CloudEvents it sends: a URI reference.
    package var eventSource = ""
    /// Nil: no events over MQTT.
    package var eventsOverMQTT: EventFormat?
    package var registry = ""
    package var limits = ""
    package var silentAfterHours = 0
    package var logLevel = ""
}

/// `gateway.yaml` → settings.
package enum GatewayFile {
    private enum Kind {
        case text
        case name
        case path
        case integer(ClosedRange<Int>)
        case choice([String])
        case reference
    }

    /// Every key there is, with its default; reasons stand in the file itself.
    private static let keys: [(section: String, key: String, kind: Kind, standard: String)] = [
        ("store", "path", .path, "../data/gateway.sqlite"),
        ("store", "raw_days", .integer(0...36_500), "90"),
        ("store", "hourly_days", .integer(0...36_500), "730"),
        ("store", "daily_days", .integer(0...36_500), "3650"),
        ("broker", "mode", .choice(["embedded", "external"]), "embedded"),
        ("broker", "host", .name, "127.0.0.1"),
        ("broker", "port", .integer(1...65_535), "18883"),
        ("broker", "client_id", .name, "gateway"),
        ("broker", "username", .text, ""),
        ("broker", "password", .text, ""),
        ("broker", "ca_file", .path, ""),
        ("broker", "certificate_file", .path, ""),
        ("broker", "key_file", .path, ""),
        ("broker", "keepalive_seconds", .integer(10...3_600), "60"),
        ("broker", "receive_maximum", .integer(1...Limits.batchPacketsMax), "1000"),
        ("broker", "embedded_config", .path, "mosquitto.conf"),
        ("broker", "embedded_data", .path, "../data/mosquitto"),
        ("web", "host", .name, "127.0.0.1"),
        ("web", "port", .integer(0...65_535), "8080"),
        ("core", "catalogue", .path, "catalogue/signals.yaml"),
        ("core", "rules", .path, "rules"),
        ("core", "stations", .path, "stations"),
        ("core", "sources", .path, "sources"),
        ("core", "registry", .path, ""),
        ("core", "limits", .path, ""),
        ("core", "silent_after_hours", .integer(0...8_760), "72"),
        ("messages", "templates", .path, "messages"),
        ("messages", "file", .path, ""),
        ("events", "source", .reference, "/gateway"),
        ("events", "mqtt", .choice(["none"] + EventFormat.allCases.map(\.rawValue)), "none"),
        (
            "log", "level",
            .choice(["trace", "debug", "info", "notice", "warning", "error", "critical"]), "info"
        ),
    ]

    /// Reads settings; the environment goes before the file, the file before the defaults.
    ///
    /// - Throws: `ConfigError` with file and line, or with the variable's name.
    package static func load(
        _ file: String,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> GatewaySettings {
        let fromFile = try values(in: file)
        let reader = ConfigReader(providers: [
            EnvironmentVariablesProvider(environmentVariables: environment),
            InMemoryProvider(values: fromFile),
        ])
        var values: [String: String] = [:]
        for (section, key, kind, standard) in keys {
            let name = "gateway.\(section).\(key)"
            let value = reader.string(forKey: ConfigKey(name), default: standard)
            if let complaint = complaint(about: value, kind) {
                // The file's own values were checked with their line, so this is the environment.
                let variable = "GATEWAY_\(section)_\(key)".uppercased()
                throw ConfigError(
                    file: "environment variable \(variable)",
                    line: 0,
                    column: 0,
                    message: complaint
                )
            }
            values["\(section).\(key)"] =
                if case .path = kind { resolve(value, besides: file) } else { value }
        }
        return settings(values)
    }

    private static func values(in file: String) throws -> [AbsoluteConfigKey: ConfigValue] {
        let sections = Set(keys.map(\.section)).sorted()
        var values: [AbsoluteConfigKey: ConfigValue] = [:]
        for (section, content) in try YAMLValue.load(file).entries(keys: sections) {
            let known = keys.filter { $0.section == section }
            for (key, value) in try content.entries(keys: known.map(\.key)) {
                let text = try value.string()
                for entry in known where entry.key == key {
                    if let complaint = complaint(about: text, entry.kind) {
                        throw value.failure("\(section).\(key): \(complaint)")
                    }
                }
                values[AbsoluteConfigKey(["gateway", section, key])] =
                    ConfigValue(.string(text), isSecret: key == "password")
            }
        }
        return values
    }

    private static func complaint(about value: String, _ kind: Kind) -> String? {
        switch kind {
        case .text, .path: return nil
        case .name:
            return (1...64).contains(value.utf8.count) ? nil : "must have 1 to 64 bytes"
        case .integer(let range):
            guard let number = Int(value) else { return "'\(value)' is not a whole number" }
            return range.contains(number)
                ? nil : "must lie in \(range.lowerBound)…\(range.upperBound), not \(number)"
        case .choice(let names):
            return names.contains(value)
                ? nil : "'\(value)' is not one of: \(names.joined(separator: ", "))"
        case .reference:
            let most = Limits.eventSourceBytesMax
            let isReference =
                (1...most).contains(value.utf8.count)
                && URL(string: value, encodingInvalidCharacters: false) != nil
            return isReference
                ? nil
                : "'\(value)' is no URI reference of 1 to \(most) bytes, such as /gateway or "
                    + "https://gateway.example.org"
        }
    }

    private static func resolve(_ path: String, besides file: String) -> String {
        guard !path.isEmpty, !path.hasPrefix("/") else { return path }
        return URL(fileURLWithPath: file).deletingLastPathComponent()
            .appendingPathComponent(path).standardizedFileURL.path
    }

    private static func settings(_ values: [String: String]) -> GatewaySettings {
        func text(_ key: String) -> String { values[key] ?? "" }
        func number(_ key: String) -> Int { Int(text(key)) ?? 0 }
        var settings = GatewaySettings()
        settings.storePath = text("store.path")
        settings.rawDays = number("store.raw_days")
        settings.hourlyDays = number("store.hourly_days")
        settings.dailyDays = number("store.daily_days")
        settings.brokerMode = .init(rawValue: text("broker.mode")) ?? .embedded
        settings.brokerHost = text("broker.host")
        settings.brokerPort = number("broker.port")
        settings.clientID = text("broker.client_id")
        settings.username = text("broker.username")
        settings.password = text("broker.password")
        settings.caFile = text("broker.ca_file")
        settings.certificateFile = text("broker.certificate_file")
        settings.keyFile = text("broker.key_file")
        settings.keepaliveSeconds = number("broker.keepalive_seconds")
        settings.receiveMaximum = number("broker.receive_maximum")
        settings.embeddedConfig = text("broker.embedded_config")
        settings.embeddedData = text("broker.embedded_data")
        settings.webHost = text("web.host")
        settings.webPort = number("web.port")
        settings.catalogue = text("core.catalogue")
        settings.rules = text("core.rules")
        settings.stations = text("core.stations")
        settings.sources = text("core.sources")
        settings.registry = text("core.registry")
        settings.limits = text("core.limits")
        settings.messages = text("messages.templates")
        settings.messagesFile = text("messages.file")
        settings.eventSource = text("events.source")
        settings.eventsOverMQTT = EventFormat(rawValue: text("events.mqtt"))
        settings.silentAfterHours = number("core.silent_after_hours")
        settings.logLevel = text("log.level")
        return settings
    }
}
