package import Telemetry

/// `catalogue/signals.yaml` → the pinned catalogue.
package enum CatalogueFile {
    package static func load(_ file: String) throws -> Catalogue {
        let root = try YAMLValue.load(file).mapping(keys: ["version", "signals"])
        var definitions: [SignalDefinition] = []
        var seen: Set<String> = []
        for item in try root.require("signals").list() {
            for definition in try signals(item) {
                for name in [definition.path] + definition.aliases
                where !seen.insert(name).inserted {
                    throw item.failure("'\(name)' names two signals")
                }
                definitions.append(definition)
            }
        }
        return Catalogue(version: try root.require("version").string(), signals: definitions)
    }

    private static func signals(_ item: YAMLValue) throws -> [SignalDefinition] {
        let map = try item.mapping(keys: [
            "path", "datatype", "unit", "min", "max", "no_reading", "aliases",
        ])
        let paths = expand(try map.require("path").string())
        let aliases = try map[optional: "aliases"]?.list().map { expand(try $0.string()) } ?? []
        for alias in aliases where alias.count != paths.count {
            throw item.failure("an alias must stand for as many signals as its path")
        }
        let unit = try map.require("unit")
        guard Units.isKnown(try unit.string()) else {
            throw unit.failure("'\(try unit.string())' is not a known unit")
        }
        let minimum = try map.require("min").double()
        return try paths.enumerated().map { index, path in
            guard path.utf8.count <= Limits.signalPathBytesMax else {
                throw item.failure("a path has at most \(Limits.signalPathBytesMax) bytes")
            }
            return SignalDefinition(
                path: path,
                datatype: try map.require("datatype").choice(Datatype.self),
                unit: try unit.string(),
                minimum: minimum,
                maximum: try map.require("max").double(in: minimum...(.greatestFiniteMagnitude)),
                noReading: try map[optional: "no_reading"]?.list().map { try $0.double() } ?? [],
                aliases: aliases.map { $0[index] }
            )
        }
    }

    /// `Row{1,2}.{Left,Right}` → four paths.
    static func expand(_ pattern: String) -> [String] {
        guard let open = pattern.firstIndex(of: "{"),
            let close = pattern[open...].firstIndex(of: "}")
        else { return [pattern] }
        let head = pattern[..<open]
        let tail = pattern[pattern.index(after: close)...]
        return pattern[pattern.index(after: open)..<close].split(separator: ",").flatMap {
            expand("\(head)\($0)\(tail)")
        }
    }
}
