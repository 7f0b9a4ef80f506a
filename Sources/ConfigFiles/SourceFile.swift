package import Decoding
import Foundation
package import Telemetry
import Yams

/// A recorded message of a source and what must become of it: documentation that is tested.
package struct SourceExample: Sendable, Equatable {
    package struct Gives: Sendable, Equatable {
        package var vehicle: String
        package var signal: SignalID
        package var value: Double
    }

    package var file: String
    package var line: Int
    package var topic: String
    package var payload: String
    package var gives: [Gives]
}

/// `config/sources/*.yaml` → sources: one file each, in the order of their names.
package enum SourceFile {
    package static func load(
        folder: String,
        catalogue: Catalogue
    ) throws -> (sources: [Source], examples: [SourceExample]) {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
            throw ConfigError(file: folder, line: 0, column: 0, message: "is not a folder")
        }
        var sources: [Source] = []
        var examples: [SourceExample] = []
        for name in names.sorted() where name.hasSuffix(".yaml") {
            let loaded = try load(file: "\(folder)/\(name)", catalogue: catalogue)
            guard let source = loaded.source else { continue }
            sources.append(source)
            examples += loaded.examples
        }
        return (sources, examples)
    }

    private static let keys = [
        "name", "enabled", "topic", "payload", "vehicle", "vehicles", "where", "sensor", "time",
        "dots_are_levels", "signals", "units", "examples",
    ]

    private static func load(
        file: String,
        catalogue: Catalogue
    ) throws -> (source: Source?, examples: [SourceExample]) {
        let map = try YAMLValue.load(file).mapping(keys: keys)
        if let enabled = map[optional: "enabled"], try !enabled.flag() { return (nil, []) }
        let topic = try map.require("topic")
        guard let pattern = TopicPattern(try topic.string()) else {
            throw topic.failure(
                "a topic with named levels was expected, such as a/{vehicle}/{rest...}"
            )
        }
        guard !pattern.filter.hasPrefix("vehicles/"), pattern.filter.first != "+",
            pattern.filter.first != "#"
        else {
            throw topic.failure("must begin with a level of its own, and not with vehicles/")
        }
        let shape = try map.require("payload").choice(Source.Shape.self)
        var source = Source(
            name: try map.require("name").string(),
            topic: pattern,
            shape: shape,
            naming: try naming(map, pattern, shape)
        )
        if shape == .scalar, !pattern.hasRest {
            throw topic.failure("must end in {name...}: the rest of the topic names the value")
        }
        source.renames = try renames(map[optional: "vehicles"])
        source.conditions =
            try map[optional: "where"]?.entries(keys: nil).map(condition) ?? []
        if let sensor = map[optional: "sensor"] {
            let entry = try sensor.mapping(keys: ["from", "table"])
            source.sensorPointer = try entry.require("from").string()
            let table = try entry.require("table")
            source.mountings = try mountings(besides: file, table)
            source.naming = .sensor
        }
        if let time = map[optional: "time"], try time.string() != "arrival" {
            guard shape == .object else { throw time.failure("only an object tells its time") }
            source.timePointer = try pointer(time)
        }
        source.dotsAreLevels = try map[optional: "dots_are_levels"]?.flag() ?? false
        for item in try map[optional: "signals"]?.list() ?? [] {
            source.mappings.append(try mapping(item, source, catalogue))
        }
        if source.mappings.isEmpty, shape == .scalar || shape == .object {
            throw map.value.failure("the key 'signals' is missing or empty")
        }
        if let units = map[optional: "units"] {
            guard shape == .native else {
                throw units.failure("belongs to payload: native; elsewhere each signal has its own")
            }
            source.units = try self.units(units, catalogue)
        }
        let examples = try map[optional: "examples"]?.list().map {
            try example($0, catalogue)
        }
        return (source, examples ?? [])
    }

    /// `gl200`, `absent`, `present`, `{one_of: […]}` or `{not: …}`.
    private static func condition(
        _ entry: (key: String, value: YAMLValue)
    ) throws -> Source.Condition {
        guard entry.key.hasPrefix("/") else {
            throw entry.value.failure("the key must be a JSON pointer, such as /position/protocol")
        }
        func condition(_ test: Source.Condition.Test) -> Source.Condition {
            Source.Condition(pointer: entry.key, test: test)
        }
        if let text = try? entry.value.string() {
            switch text {
            case "absent": return condition(.absent)
            case "present": return condition(.present)
            default: return condition(.oneOf([text]))
            }
        }
        let map = try entry.value.mapping(keys: ["one_of", "not"])
        guard map.entries.count == 1 else {
            throw entry.value.failure("either one_of or not is expected")
        }
        if let texts = map[optional: "one_of"] {
            return condition(.oneOf(try texts.list().map { try $0.string() }))
        }
        let other = try map.require("not")
        if let text = try? other.string() { return condition(.noneOf([text])) }
        return condition(.noneOf(try other.list().map { try $0.string() }))
    }

    // MARK: Vehicles

    private static func naming(
        _ map: YAMLMapping,
        _ pattern: TopicPattern,
        _ shape: Source.Shape
    ) throws -> Source.Naming {
        guard let value = map[optional: "vehicle"] else {
            if map[optional: "sensor"] != nil { return .sensor }
            guard let place = pattern.names.firstIndex(of: "vehicle") else {
                throw map.value.failure(
                    "where is the vehicle? name a level {vehicle}, or set 'vehicle'"
                )
            }
            return .topic([.capture(place)])
        }
        let text = try value.string()
        if text.hasPrefix("/"), shape == .object { return .pointer(text) }
        if text == "name", shape == .senml { return .senmlName }
        var pieces: [Source.Piece] = []
        var rest = text[...]
        while let open = rest.firstIndex(of: "{") {
            guard let close = rest[open...].firstIndex(of: "}") else {
                throw value.failure("a brace is not closed")
            }
            if open > rest.startIndex { pieces.append(.text(String(rest[..<open]))) }
            let name = String(rest[rest.index(after: open)..<close])
            guard let place = pattern.names.firstIndex(of: name) else {
                throw value.failure("the topic has no level {\(name)}")
            }
            pieces.append(.capture(place))
            rest = rest[rest.index(after: close)...]
        }
        if !rest.isEmpty { pieces.append(.text(String(rest))) }
        return .topic(pieces)
    }

    private static func renames(_ value: YAMLValue?) throws -> [String: String] {
        var renames: [String: String] = [:]
        for (key, name) in try value?.entries(keys: nil) ?? [] {
            let bytes = Array(try name.string().utf8)
            guard TopicParser.isVehicleName(bytes.span, 0..<bytes.count) else {
                throw name.failure("cannot be a vehicle's name")
            }
            renames[key] = try name.string()
        }
        return renames
    }

    private static let wheels = ["Row1.Left", "Row1.Right", "Row2.Left", "Row2.Right"]

    private static func mountings(
        besides file: String,
        _ table: YAMLValue
    ) throws -> [String: Source.Mounting] {
        let path = URL(fileURLWithPath: file).deletingLastPathComponent()
            .appendingPathComponent(try table.string()).standardizedFileURL.path
        let columns = ["sensor", "vehicle", "wheel"]
        var mountings: [String: Source.Mounting] = [:]
        for row in try CSVTable.load(path, columns: columns, required: columns).rows {
            let sensor = try row.require("sensor")
            guard let wheel = wheels.firstIndex(of: try row.require("wheel")) else {
                throw row.failure("the wheel is one of: \(wheels.joined(separator: ", "))")
            }
            guard mountings[sensor] == nil else {
                throw row.failure("the sensor '\(sensor)' occurs twice")
            }
            mountings[sensor] = Source.Mounting(
                vehicle: try RegistryFile.vehicleName(row),
                wheel: wheel
            )
        }
        return mountings
    }

    // MARK: Signals

    private static func mapping(
        _ item: YAMLValue,
        _ source: Source,
        _ catalogue: Catalogue
    ) throws -> Source.Mapping {
        let map = try item.mapping(keys: ["from", "signal", "unit", "factor", "offset", "words"])
        let from = try map.require("from")
        let name = source.shape == .object ? try pointer(from) : try from.string()
        let path = try map.require("signal")
        let unit = map[optional: "unit"]
        let scale = try scale(map, source.shape)
        let targets = try CatalogueFile.expand(try path.string()).map { path -> Source.Target in
            guard let signal = catalogue.find(path: path) else {
                throw item.failure("'\(path)' is not in the catalogue")
            }
            let own = catalogue[signal].unit
            guard let unit else {
                return Source.Target(signal: signal, conversion: scale)
            }
            guard let conversion = Units.conversion(from: try unit.string(), to: own) else {
                throw unit.failure("'\(try unit.string())' does not convert to '\(own)'")
            }
            return Source.Target(
                signal: signal,
                conversion: UnitConversion(
                    factor: scale.factor * conversion.factor,
                    offset: scale.offset * conversion.factor + conversion.offset
                )
            )
        }
        let expected = source.sensorPointer == nil ? nil : wheels.count
        let isList = targets.count > 1 && source.shape != .scalar
        if let expected, targets.count != expected {
            throw path.failure("must stand for the four wheels: Row{1,2} and {Left,Right}")
        } else if expected == nil, isList {
            throw path.failure("must stand for one signal")
        }
        let words =
            try map[optional: "words"]?.entries(keys: nil).map {
                ($0.key, try $0.value.double())
            } ?? []
        return Source.Mapping(
            from: name,
            targets: targets,
            words: Dictionary(words, uniquingKeysWith: { $1 })
        )
    }

    /// What is sent becomes the mapping's unit by `factor` and, after it, `offset`.
    private static func scale(
        _ map: YAMLMapping,
        _ shape: Source.Shape
    ) throws -> UnitConversion {
        let (factor, offset) = (map[optional: "factor"], map[optional: "offset"])
        // A SenML record may name its unit, and what its number means would be open then.
        if let key = factor ?? offset, shape == .senml {
            throw key.failure("SenML values are scaled by their unit alone")
        }
        let scale = UnitConversion(
            factor: try factor?.double() ?? 1,
            offset: try offset?.double() ?? 0
        )
        if let factor, scale.factor == 0 { throw factor.failure("must not be 0") }
        return scale
    }

    private static func units(
        _ value: YAMLValue,
        _ catalogue: Catalogue
    ) throws -> [SignalID: String] {
        var units: [SignalID: String] = [:]
        for (path, unit) in try value.entries(keys: nil) {
            guard let signal = catalogue.find(path: path) else {
                throw value.failure("'\(path)' is not in the catalogue")
            }
            let name = try unit.string()
            guard Units.conversion(from: name, to: catalogue[signal].unit) != nil else {
                throw unit.failure("'\(name)' does not convert to '\(catalogue[signal].unit)'")
            }
            units[signal] = name
        }
        return units
    }

    private static func pointer(_ value: YAMLValue) throws -> String {
        let text = try value.string()
        guard text.hasPrefix("/") else {
            throw value.failure("a JSON pointer was expected, such as /position/speed")
        }
        return text
    }

    // MARK: Examples

    private static func example(_ item: YAMLValue, _ catalogue: Catalogue) throws -> SourceExample {
        let map = try item.mapping(keys: ["topic", "payload", "gives"])
        let gives = try map.require("gives").list().map { value in
            let entry = try value.mapping(keys: ["vehicle", "signal", "value"])
            let path = try entry.require("signal").string()
            guard let signal = catalogue.find(path: path) else {
                throw value.failure("'\(path)' is not in the catalogue")
            }
            return SourceExample.Gives(
                vehicle: try entry.require("vehicle").string(),
                signal: signal,
                value: try entry.require("value").double()
            )
        }
        return SourceExample(
            file: item.file,
            line: item.line,
            topic: try map.require("topic").string(),
            payload: try map.require("payload").string(),
            gives: gives
        )
    }
}
