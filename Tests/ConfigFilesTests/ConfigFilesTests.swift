import ConfigFiles
import Foundation
import Support
import Telemetry
import Testing
import Workshop

struct ConfigFilesTests {
    private let folder: ScratchFolder

    init() throws {
        folder = try ScratchFolder()
    }

    private func complaint(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "none"
        } catch {
            return "\(error)".replacing(folder.url.path + "/", with: "")
        }
    }

    // MARK: gateway.yaml

    @Test func theShippedSettingsAreTheDefaults() throws {
        let shipped = try GatewayFile.load(Repository.config, environment: [:])
        let path = Repository.root.appendingPathComponent("config/empty.yaml").path
        let empty = try folder.write("gateway.yaml", "store: {}\n")
        var defaults = try GatewayFile.load(empty, environment: [:])
        // Paths are relative to the file, so they are compared by their last part only.
        #expect(path.hasSuffix("config/empty.yaml"))
        for keyPath in [
            \GatewaySettings.storePath, \.embeddedConfig, \.embeddedData, \.catalogue, \.rules,
            \.stations, \.sources, \.messages,
        ] as [WritableKeyPath<GatewaySettings, String>] {
            #expect(
                URL(fileURLWithPath: defaults[keyPath: keyPath]).lastPathComponent
                    == URL(fileURLWithPath: shipped[keyPath: keyPath]).lastPathComponent
            )
            defaults[keyPath: keyPath] = shipped[keyPath: keyPath]
        }
        #expect(defaults == shipped)
    }

    @Test func theEnvironmentGoesBeforeTheFile() throws {
        let path = try folder.write("gateway.yaml", "web:\n  port: 9000\n  host: 127.0.0.1\n")
        let settings = try GatewayFile.load(path, environment: ["GATEWAY_WEB_PORT": "9001"])
        #expect(settings.webPort == 9_001)
        #expect(try GatewayFile.load(path, environment: [:]).webPort == 9_000)
    }

    @Test(arguments: [
        (
            "web:\n  prot: 80\n",
            "gateway.yaml:2:3: unknown key 'prot'; expected one of: host, port"
        ),
        ("web:\n  port: many\n", "gateway.yaml:2:9: web.port: 'many' is not a whole number"),
        ("web:\n  port: 70000\n", "gateway.yaml:2:9: web.port: must lie in 0…65535, not 70000"),
        (
            "broker: {mode: own}\n",
            "gateway.yaml:1:16: broker.mode: 'own' is not one of: embedded, external"
        ),
        (
            "events: {mqtt: maybe}\n",
            "gateway.yaml:1:16: events.mqtt: 'maybe' is not one of: none, gateway, cloudevents"
        ),
        (
            "events: {source: my gateway}\n",
            "gateway.yaml:1:18: events.source: 'my gateway' is no URI reference of 1 to 256 bytes, "
                + "such as /gateway or https://gateway.example.org"
        ),
        (
            "wep: {}\n",
            "gateway.yaml:1:1: unknown key 'wep'; expected one of: broker, core, events, log, messages, store, web"
        ),
    ])
    func mistakesAreNamedWithFileAndLine(text: String, expected: String) throws {
        let path = try folder.write("gateway.yaml", text)
        #expect(complaint { _ = try GatewayFile.load(path, environment: [:]) } == expected)
    }

    @Test func aBadVariableIsNamed() throws {
        let path = try folder.write("gateway.yaml", "web: {port: 80}\n")
        #expect(
            complaint {
                _ = try GatewayFile.load(path, environment: ["GATEWAY_WEB_PORT": "x"])
            } == "environment variable GATEWAY_WEB_PORT: 'x' is not a whole number"
        )
    }

    @Test func brokenYAMLHasALine() throws {
        let path = try folder.write("gateway.yaml", "web:\n  port: [1\n")
        #expect(
            complaint { _ = try GatewayFile.load(path, environment: [:]) }
                .hasPrefix("gateway.yaml:")
        )
    }

    // MARK: Rules, catalogue, stations

    /// Every shipped rule with one thing spoilt is refused with the line of that thing.
    @Test(arguments: [
        ("measure: tyre_cold", "measure: cold", "'cold' is not one of"),
        ("jobs: [tyre_check", "jobs: [tyre_chekc", "'tyre_chekc' is not in the service catalogue"),
        ("lead_days: 11 ", "lead_days: 0 ", "must lie in 0.1…365.0"),
        ("{middle}({range})", "{midle}({range})", "unknown placeholder {midle}"),
        (
            "signal: Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.Pressure",
            "signal: Vehicle.Tyre", "'Vehicle.Tyre' is not in the catalogue"
        ),
        ("consequence: wear", "consequence: bad", "'bad' is not one of: safety"),
        (
            "id: tyre_pressure", "id: tyre_pressure\n    axes: [{name: a, jobs: [service]}]",
            "key 'jobs'"
        ),
        ("when: {parked_hours_without_temperature: 3}", "when: [parked]", "a mapping was expected"),
        ("when: {parked_hours_without_temperature: 3}", "when: {cold: 3}", "unknown key 'cold'"),
        (
            "when: {parked_hours_without_temperature: 3}",
            "when: {signals: [{signal: Vehicle.Speed}]}", "either at_least or at_most"
        ),
        (
            "consequence: wear", "consequence: wear\n    severity: {urgent_days: 20}",
            "urgent_days 20.0 must not be above soon_days 14.0"
        ),
        (
            "consequence: wear", "consequence: wear\n    severity: {crossed_days: 1}",
            "unknown key 'crossed_days'"
        ),
        ("late: [0.8, 0.25, 0, 0.2]", "late: [0.8, 0.25]", "four numbers were expected"),
        ("timer_days: 14 ", "timer_days: 400 ", "0"),
        ("drop_per_hour: 0.5 ", "per_hour: 0.5 ", "unknown key 'per_hour'"),
    ])
    func aSpoiltRuleIsRefusedWithItsLine(from: String, to: String, expected: String) throws {
        let assembly = try Fixtures.assembly()
        let shipped = try String(
            contentsOfFile: "\(assembly.settings.rules)/tyre.rules.yaml",
            encoding: .utf8
        )
        let spoilt = try #require(
            shipped.range(of: from).map { shipped.replacingCharacters(in: $0, with: to) }
        )
        let line = shipped[..<(try #require(shipped.range(of: from))).lowerBound]
            .split(separator: "\n", omittingEmptySubsequences: false).count
        _ = try folder.write("tyre.rules.yaml", spoilt)
        let text = complaint {
            _ = try RuleFile.load(
                folder: folder.url.path,
                catalogue: assembly.catalogue,
                jobs: Set(assembly.jobs.map(\.code))
            )
        }
        #expect(text.contains(expected), "\(text)")
        let said = try #require(Int(text.split(separator: ":")[1]))
        // A text's placeholder is told at the text's own mapping, a line above at most.
        #expect(abs(said - line) <= 1, "\(text)")
    }

    @Test func everyRuleNeedsWhatItsMeasureUses() throws {
        let rules = try Fixtures.assembly().rules
        #expect(rules.count >= 8)
        for rule in rules where rule.measure == .tyreCold {
            #expect(rule.components.allSatisfy { $0.companion != nil && $0.axle != nil })
        }
        #expect(Set(rules.map(\.id)).count == rules.count)
    }

    @Test func zonesAreTakenFromTheSystemAsData() throws {
        let vienna = try #require(ZoneOffsets.named("Europe/Vienna"))
        #expect(vienna.offset(at: Fixtures.start) == .hours(1))
        // 2026-07-01T00:00:00Z
        #expect(vienna.offset(at: Timestamp(milliseconds: 1_782_864_000_000)) == .hours(2))
        #expect(ZoneOffsets.named("Europe/Nowhere") == nil)
        let shanghai = try #require(ZoneOffsets.named("Asia/Shanghai"))
        #expect(shanghai.changes.isEmpty && shanghai.initialOffsetSeconds == 28_800)
    }

    @Test func aStationThatOverlapsItselfIsRefused() throws {
        let path = try folder.write(
            "stations.yaml",
            """
            stations:
              - code: s
                title: {zh: a, en: a}
                phone: "1"
                time_zone: UTC
                hours: {mon: [["08:00", "12:00"], ["11:00", "18:00"]]}
                bays: [{code: b, kinds: [normal]}]
            """
        )
        #expect(
            complaint { _ = try StationFile.loadStations(path, holidays: [:]) }.contains(
                "opening times must ascend"
            )
        )
    }

    // MARK: Registry

    @Test func aRegistryNamesVehiclesAndWhatTheyReferTo() throws {
        let path = try folder.write(
            "vehicles.csv",
            "vehicle,placard_kpa,model,station\nv1,240,\"Corvo, \"\"S\"\"\",su-zhou-1\nv2,,,\n"
        )
        let rows = try RegistryFile.load(path)
        #expect(rows.map(\.vehicle) == ["v1", "v2"])
        #expect(rows[0].profile.placardRearKilopascals == 240)
        #expect(rows[0].profile.model == "Corvo, \"S\"")
        #expect(rows[1].profile.placardFrontKilopascals == nil)
    }

    @Test(arguments: [
        ("vehicle,colour\nv1,red\n", "vehicles.csv:1:1: unknown column 'colour'"),
        ("placard_kpa\n240\n", "vehicles.csv:1:1: the column 'vehicle' is missing"),
        ("vehicle,placard_kpa\nv1,2.4\n", "vehicles.csv:2:1: '2.4' is not a placard pressure"),
        ("vehicle,model\nv1\n", "vehicles.csv:2:1: 2 fields were expected, not 1"),
        ("vehicle\na+b\n", "vehicles.csv:2:1: 'a+b' cannot be a vehicle's name"),
    ])
    func aBadRegistryHasALine(text: String, expected: String) throws {
        let path = try folder.write("vehicles.csv", text)
        #expect(complaint { _ = try RegistryFile.load(path) }.hasPrefix(expected))
    }

    // MARK: Sources

    @Test(arguments: [
        ("topic: a/+/b", "sources/x.yaml:2:8: a topic with named levels"),
        ("topic: vehicles/{vehicle}/x/{r...}", "sources/x.yaml:2:8: must not begin with vehicles/"),
        ("topic: a/{car}/{r...}", "where is the vehicle?"),
        ("topic: a/{vehicle}", "sources/x.yaml:2:8: must end in {name...}"),
        (
            "topic: a/{vehicle}/{r...}\nsignals: [{from: x, signal: Vehicle.Speed, unit: furlong}]",
            "'furlong' does not convert to 'km/h'"
        ),
        (
            "topic: a/{vehicle}/{r...}\nsignals: [{from: x, signal: Vehicle.Warp}]",
            "'Vehicle.Warp' is not in the catalogue"
        ),
        (
            "topic: a/{vehicle}/{r...}\nsignals:\n  - {from: x, signal: Vehicle.Speed, factor: 0}",
            "sources/x.yaml:4:46: must not be 0"
        ),
        ("topic: a/{vehicle}/{r...}\nsignals: []", "the key 'signals' is missing or empty"),
        ("topic: a/{vehicle}/{r...}\nmeasures: []", "unknown key 'measures'"),
    ])
    func aSourceThatCannotWorkIsRefusedWithItsLine(text: String, expected: String) throws {
        let catalogue = try CatalogueFile.load(
            Repository.root.appendingPathComponent("config/catalogue/signals.yaml").path
        )
        let file = try folder.write("sources/x.yaml", "name: x\n\(text)\npayload: scalar\n")
        let found = complaint {
            _ = try SourceFile.load(
                folder: file.replacing("/x.yaml", with: ""),
                catalogue: catalogue
            )
        }
        #expect(found.contains(expected), "\(found)")
    }

    @Test func aScaledValueIsScaledInItsUnitAndThenConverted() throws {
        let catalogue = try CatalogueFile.load(
            Repository.root.appendingPathComponent("config/catalogue/signals.yaml").path
        )
        let file = try folder.write(
            "sources/x.yaml",
            "name: x\ntopic: a/{vehicle}/{r...}\npayload: scalar\nsignals:\n"
                + "  - {from: x, signal: Vehicle.Exterior.AirTemperature, unit: degF, factor: 0.1, offset: 32}\n"
        )
        let (sources, _) = try SourceFile.load(
            folder: file.replacing("/x.yaml", with: ""),
            catalogue: catalogue
        )
        let mapping = try #require(sources.first?.mappings.first)
        let conversion = try #require(mapping.targets.first).conversion
        // 180 sent is 18 + 32 = 50 °F, which is 10 °C.
        let fahrenheit = 180 * mapping.scale.factor + mapping.scale.offset
        #expect(abs(fahrenheit * conversion.factor + conversion.offset - 10) < 1e-9)
    }

    @Test(arguments: [
        ("sensor,vehicle,wheel\na,v,Row1.Left\na,v,Row1.Right\n", "occurs twice"),
        ("sensor,vehicle,wheel\na,v,Front\n", "a wheel is Row1.Left to Row4.Right"),
        ("sensor,vehicle\na,v\n", "the column 'wheel' is missing"),
        ("sensor,vehicle,wheel,wheel\na,v,Row1.Left,Row1.Left\n", "a column occurs twice"),
    ])
    func aTableOfSensorsIsChecked(text: String, expected: String) throws {
        let catalogue = try CatalogueFile.load(
            Repository.root.appendingPathComponent("config/catalogue/signals.yaml").path
        )
        _ = try folder.write("sources/sensors.csv", text)
        let wheels = "Vehicle.Chassis.Axle.Row{1,2}.Wheel.{Left,Right}.Tire.Pressure"
        let file = try folder.write(
            "sources/x.yaml",
            "name: x\ntopic: r/{receiver}\npayload: object\n"
                + "sensor: {from: /id, table: sensors.csv}\n"
                + "signals: [{from: /p, signal: '\(wheels)'}]\n"
        )
        let found = complaint {
            _ = try SourceFile.load(
                folder: file.replacing("/x.yaml", with: ""),
                catalogue: catalogue
            )
        }
        #expect(found.contains(expected), "\(found)")
    }
}
