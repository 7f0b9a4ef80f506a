package import Decoding
import Foundation
package import Telemetry
import Yams

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
        "name", "enabled", "topic", "subscribe", "payload", "each", "vehicle", "vehicles", "where",
        "sensor", "time", "no_reading", "dots_are_levels", "signals", "units", "examples",
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
        guard !pattern.filter.hasPrefix("vehicles/") else {
            throw topic.failure("must not begin with vehicles/, where our own packets come in")
        }
        let shape = try map.require("payload").choice(Source.Shape.self)
        var source = Source(
            name: try map.require("name").string(),
            topic: pattern,
            shape: shape,
            naming: try naming(map, pattern, shape)
        )
        source.filters = try filters(map[optional: "subscribe"], topic, pattern)
        if shape == .scalar, !pattern.hasRest {
            throw topic.failure("must end in {name...}: the rest of the topic names the value")
        }
        source.renames = try renames(map[optional: "vehicles"])
        source.conditions =
            try map[optional: "where"]?.entries(keys: nil).map(condition) ?? []
        if let condition = map[optional: "where"], shape != .object {
            throw condition.failure("only an object has values to tell it by")
        }
        if let sensor = map[optional: "sensor"] {
            source.mountings = try mountings(
                besides: file,
                sensor.mapping(keys: ["from", "table"]).require("table")
            )
        }
        if let time = map[optional: "time"] {
            source.clock = try clock(time)
            guard shape == .object || source.clock == .arrival else {
                throw time.failure("only an object tells its time")
            }
        }
        if let each = map[optional: "each"] {
            guard shape == .object else { throw each.failure("only an object has elements") }
            source.walk = try walk(each)
        }
        source.dotsAreLevels = try map[optional: "dots_are_levels"]?.flag() ?? false
        let absence = try map[optional: "no_reading"].map { try self.absence($0, nil) } ?? .usual
        for item in try map[optional: "signals"]?.list() ?? [] {
            source.mappings.append(try mapping(item, source, absence, catalogue))
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
            try SourceExample($0, catalogue)
        }
        return (source, examples ?? [])
    }

    /// What to subscribe to: the topic's own filter, unless its first level may be any.
    private static func filters(
        _ subscribe: YAMLValue?,
        _ topic: YAMLValue,
        _ pattern: TopicPattern
    ) throws -> [String] {
        guard let subscribe else {
            guard !pattern.beginsOpen else {
                throw topic.failure(
                    "begins with a named level: say with subscribe: [\"\(pattern.filter)\"] that "
                        + "all such topics are meant"
                )
            }
            return [pattern.filter]
        }
        let filters = try subscribe.list().map { item -> String in
            let filter = try item.string()
            guard pattern.covers(filter: filter) else {
                throw item.failure("'\(filter)' asks for topics that \(pattern.filter) is not")
            }
            return filter
        }
        guard !filters.isEmpty else { throw subscribe.failure("names no topic") }
        return filters
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

    /// `{in: /signals, name: /name, value: /value, time: /timestamp, unit: /unit}`, or `{in: ""}`.
    private static func walk(_ value: YAMLValue) throws -> Source.Walk {
        let map = try value.mapping(keys: ["in", "name", "value", "time", "unit"])
        let place = try map.require("in")
        let array = try place.string().isEmpty ? "" : pointer(place)
        guard let name = map[optional: "name"] else {
            guard map.entries.count == 1 else {
                throw value.failure("the key 'name' is missing: where does an element say its own?")
            }
            return Source.Walk(pointer: array, parts: nil)
        }
        var parts = Source.Walk.Parts(
            name: try pointer(name),
            value: try pointer(map.require("value"))
        )
        parts.clock = try map[optional: "time"].map(clock)
        parts.unit = try map[optional: "unit"].map(pointer)
        return Source.Walk(pointer: array, parts: parts)
    }

    // MARK: Vehicles

    private static func naming(
        _ map: YAMLMapping,
        _ pattern: TopicPattern,
        _ shape: Source.Shape
    ) throws -> Source.Naming {
        if let sensor = map[optional: "sensor"] {
            if let vehicle = map[optional: "vehicle"] {
                throw vehicle.failure("the table of sensors says it already")
            }
            let from = try sensor.mapping(keys: ["from", "table"]).require("from")
            guard try from.string().hasPrefix("/") else {
                return .sensor(try pieces(of: from, pattern))
            }
            guard shape == .object else {
                throw from.failure("only an object has pointers; name a level, such as {id}")
            }
            return .sensor(.pointer(try from.string()))
        }
        guard let value = map[optional: "vehicle"] else {
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
        return try pieces(of: value, pattern)
    }

    /// Text with levels of the topic, such as `teslamate-{car}`.
    private static func pieces(
        of value: YAMLValue,
        _ pattern: TopicPattern
    ) throws -> Source.Naming {
        let text = try value.string()
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
            guard VehicleName.isValid(try name.string()) else {
                throw name.failure("cannot be a vehicle's name")
            }
            renames[key] = try name.string()
        }
        return renames
    }

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
            let wheel = try row.require("wheel")
            guard isWheel(wheel) else {
                throw row.failure(
                    "a wheel is Row1.Left to Row4.Right, of a dual with .Inner or .Outer behind it"
                )
            }
            guard mountings[sensor.lowercased()] == nil else {
                throw row.failure("the sensor '\(sensor)' occurs twice; case does not matter")
            }
            mountings[sensor.lowercased()] = Source.Mounting(
                vehicle: try RegistryFile.vehicleName(row),
                wheel: wheel
            )
        }
        return mountings
    }

    private static func isWheel(_ text: String) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return (2...3).contains(parts.count)
            && ["Row1", "Row2", "Row3", "Row4"].contains(parts[0])
            && ["Left", "Right"].contains(parts[1])
            && (parts.count == 2 || ["Inner", "Outer"].contains(parts[2]))
    }
}
