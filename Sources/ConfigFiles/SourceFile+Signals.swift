import Decoding
import Foundation
import Telemetry

extension SourceFile {
    private static let mappingKeys = [
        "from", "signal", "unit", "unit_from", "factor", "offset", "words", "no_reading", "time",
        "by_place",
    ]

    static func mapping(
        _ item: YAMLValue,
        _ source: Source,
        _ absence: Source.Absence,
        _ catalogue: Catalogue
    ) throws -> Source.Mapping {
        let map = try item.mapping(keys: mappingKeys)
        let from = try map.require("from")
        let path = try map.require("signal")
        let isPointer = source.shape == .object && source.walk?.parts == nil
        var mapping = Source.Mapping(
            from: isPointer ? try pointer(from) : try from.string(),
            targets: []
        )
        let unit = map[optional: "unit"]
        for path in CatalogueFile.expand(try path.string()) {
            guard let signal = catalogue.find(path: path) else {
                throw item.failure("'\(path)' is not in the catalogue")
            }
            let own = catalogue[signal].unit
            let sent = try unit?.string() ?? own
            guard let conversion = Units.conversion(from: sent, to: own) else {
                throw (unit ?? item).failure("'\(sent)' does not convert to '\(own)'")
            }
            mapping.targets.append(Source.Target(signal: signal, conversion: conversion))
            guard case .sensor = source.naming else { continue }
            guard let wheel = wheel(of: path) else {
                throw item.failure("'\(path)' is of no wheel, and a sensor sits on one")
            }
            mapping.wheels.append(wheel)
        }
        if mapping.wheels.isEmpty, mapping.targets.count > 1, source.shape != .scalar {
            throw path.failure("must stand for one signal")
        }
        mapping.scale = try scale(map, source.shape)
        for (word, value) in try map[optional: "words"]?.entries(keys: nil) ?? [] {
            mapping.words[word] = try value.double()
        }
        mapping.absence = absence
        if let own = map[optional: "no_reading"] {
            mapping.absence = try self.absence(own, absence)
        }
        if let place = map[optional: "unit_from"] {
            try requirePointers(place, isPointer)
            mapping.unitPointer = try pointer(place)
        }
        if let time = map[optional: "time"] {
            try requirePointers(time, isPointer)
            mapping.clock = try clock(time)
        }
        if let place = map[optional: "by_place"] {
            try requirePointers(place, isPointer)
            mapping.isByPlace = try place.flag()
        }
        return mapping
    }

    private static func requirePointers(_ value: YAMLValue, _ isPointer: Bool) throws {
        guard isPointer else {
            throw value.failure("belongs to payload: object, where 'from' is a JSON pointer")
        }
    }

    /// `Vehicle.Chassis.Axle.Row2.Wheel.Left.Tire.Pressure` → `Row2.Left`; of a dual wheel
    /// `Row2.Left.Inner`.
    private static func wheel(of path: String) -> String? {
        let parts = path.split(separator: ".")
        guard let axle = parts.firstIndex(of: "Axle"), parts.count > axle + 3,
            parts[axle + 2] == "Wheel"
        else { return nil }
        var wheel = "\(parts[axle + 1]).\(parts[axle + 3])"
        if parts.count > axle + 4, ["Inner", "Outer"].contains(parts[axle + 4]) {
            wheel += ".\(parts[axle + 4])"
        }
        return wheel
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

    /// `{words: [unavailable, "--"], values: [350]}`; words that are listed replace the usual ones,
    /// and those of a signal come to those of its source.
    static func absence(_ value: YAMLValue, _ common: Source.Absence?) throws -> Source.Absence {
        let map = try value.mapping(keys: ["words", "values"])
        var absence = common ?? .usual
        if let words = map[optional: "words"] {
            let listed = try words.list().map { word in
                try word.string().trimmingCharacters(in: .whitespaces).lowercased()
            }
            absence.words = common.map { $0.words.union(listed) } ?? Set(listed)
        }
        absence.values += try map[optional: "values"]?.list().map { try $0.double() } ?? []
        return absence
    }

    static func units(
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

    static func pointer(_ value: YAMLValue) throws -> String {
        let text = try value.string()
        guard text.hasPrefix("/") else {
            throw value.failure("a JSON pointer was expected, such as /position/speed")
        }
        return text
    }
}
