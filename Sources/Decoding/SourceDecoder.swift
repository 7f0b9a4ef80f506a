package import Telemetry

/// Packets of the configured sources → readings and rejections.
///
/// A packet of which the source maps nothing is ignored, not rejected: senders publish much that
/// no workshop needs. What is mapped and cannot be used is rejected, and costs only itself.
package struct SourceDecoder: Sendable {
    package let sources: [Source]
    /// Of the last packet; whoever uses them may take them, and gives the buffer back.
    package var readings: [DecodedReading] = []
    package private(set) var rejections: [Rejection] = []
    /// The last packet's vehicle.
    package private(set) var vehicle: [UInt8] = []
    private let catalogue: Catalogue
    private let fields: [FieldTable]
    private let openings: [UInt8?]
    private var values: [JSONWalk.Value?] = []
    private var times = TimestampDecoder()
    private var possible = PossibleTimes()

    package init(sources: [Source], catalogue: Catalogue) {
        self.sources = sources
        self.catalogue = catalogue
        fields = sources.map(FieldTable.init)
        openings = sources.map(\.topic.opening)
    }

    /// The source a topic belongs to: the first that matches, in the order of the files.
    package func source(of topic: Span<UInt8>) -> Int? {
        for place in openings.indices {
            // A look at the first byte spares the walk for nearly every other topic.
            if let opening = openings[place], topic.byte(at: 0) != opening { continue }
            if sources[place].topic.captures(in: topic) != nil { return place }
        }
        return nil
    }

    /// The vehicle that a topic names, for sources whose payload is our own.
    package mutating func nameVehicle(_ source: Int, topic: Span<UInt8>) throws(Rejection) {
        vehicle = try name(source, topic, body: nil, at: 0)
    }

    /// Decodes a packet into `readings`, `rejections` and `vehicle`.
    /// - Returns: false when the packet says nothing the source maps.
    /// - Throws: the rejection that costs the whole packet; the buffers are then empty.
    package mutating func decode(
        _ source: Int,
        topic: Span<UInt8>,
        payload: Span<UInt8>,
        receivedAt: Timestamp
    ) throws(Rejection) -> Bool {
        readings.removeAll(keepingCapacity: true)
        rejections.removeAll(keepingCapacity: true)
        guard payload.count <= Limits.payloadBytesMax else {
            throw Rejection(.payloadTooLarge, at: Limits.payloadBytesMax)
        }
        do throws(Rejection) {
            switch sources[source].shape {
            case .scalar: return try scalar(source, topic, payload, receivedAt)
            case .object: return try object(source, topic, payload, receivedAt)
            case .senml: return try senml(source, topic, payload, receivedAt)
            case .native: return false
            }
        } catch {
            readings.removeAll(keepingCapacity: true)
            rejections.removeAll(keepingCapacity: true)
            throw error
        }
    }

    // MARK: Scalars

    private mutating func scalar(
        _ source: Int,
        _ topic: Span<UInt8>,
        _ payload: Span<UInt8>,
        _ receivedAt: Timestamp
    ) throws(Rejection) -> Bool {
        guard let rest = sources[source].topic.captures(in: topic)?.last else { return false }
        var key: [UInt8] = []
        for index in rest {
            let isDot = sources[source].dotsAreLevels && topic[index] == UInt8(ascii: ".")
            key.append(isDot ? UInt8(ascii: "/") : topic[index])
        }
        guard let place = fields[source].mapping(key.span) else { return false }
        let mapping = sources[source].mappings[place]
        let (start, end) = trimmed(payload, 0, payload.count)
        // An empty retained publish is MQTT's way to take a value back.
        guard start < end else { return false }
        vehicle = try name(source, topic, body: nil, at: 0)
        var from = start
        var element = 0
        while from <= end {
            var to = from
            if mapping.targets.count > 1 {
                while to < end, payload[to] != UInt8(ascii: ",") { to += 1 }
            } else {
                to = end
            }
            let (first, last) = trimmed(payload, from, to)
            if first < last {
                try requireRoom(at: first)
                if element >= mapping.targets.count {
                    rejections.append(Rejection(.wrongType, at: first, "more values than mapped"))
                } else {
                    append(
                        word(payload, first, last, mapping),
                        mapping.targets[element],
                        observedAt: receivedAt,
                        receivedAt: receivedAt,
                        at: first
                    )
                }
            }
            element += 1
            from = to + 1
        }
        return true
    }

    private func trimmed(_ bytes: Span<UInt8>, _ from: Int, _ to: Int) -> (Int, Int) {
        var (start, end) = (from, to)
        while start < end, bytes[start] <= 0x20 { start += 1 }
        while end > start, bytes[end - 1] <= 0x20 { end -= 1 }
        return (start, end)
    }

    /// A number, a truth value or one of the mapping's words; nil for anything else.
    private func word(
        _ bytes: Span<UInt8>,
        _ start: Int,
        _ end: Int,
        _ mapping: Source.Mapping
    ) -> Double? {
        guard end - start <= SourceDecoder.wordBytesMax else { return nil }
        var scanner = JSONScanner(position: start)
        if let number = try? scanner.number(bytes.extracting(0..<end)), scanner.position == end {
            return number
        }
        var text: [UInt8] = []
        for index in start..<end { text.append(bytes[index]) }
        return SourceDecoder.meaning(of: String(decoding: text, as: UTF8.self), mapping)
    }

    private static func meaning(of text: String, _ mapping: Source.Mapping) -> Double? {
        mapping.words[text] ?? (text == "true" ? 1 : text == "false" ? 0 : nil)
    }

    /// Longer texts are no words: units and states have a few letters.
    private static let wordBytesMax = 64

    // MARK: Objects

    private mutating func object(
        _ source: Int,
        _ topic: Span<UInt8>,
        _ payload: Span<UInt8>,
        _ receivedAt: Timestamp
    ) throws(Rejection) -> Bool {
        let table = fields[source]
        values.removeAll(keepingCapacity: true)
        values.append(contentsOf: repeatElement(nil, count: table.count))
        try JSONWalk.collect(payload, table, into: &values)
        for condition in sources[source].conditions
        where text(table, condition.pointer, payload) != condition.text {
            return false
        }
        let mapped = table.mappingFields.filter { values[$0.field]?.kind != .null }
            .filter { values[$0.field] != nil }
        guard !mapped.isEmpty else { return false }
        var wheel: Int?
        if let pointer = sources[source].sensorPointer {
            let id = text(table, pointer, payload)
            guard let id else { throw Rejection(.missingField, at: 0, pointer) }
            guard let mounting = sources[source].mountings[id] else {
                throw Rejection(.unknownSensor, at: 0, id)
            }
            wheel = mounting.wheel
            vehicle = Array(mounting.vehicle.utf8)
        } else if case .pointer(let pointer) = sources[source].naming {
            guard let body = text(table, pointer, payload) else {
                throw Rejection(.missingField, at: 0, pointer)
            }
            vehicle = try name(source, topic, body: body, at: 0)
        } else {
            vehicle = try name(source, topic, body: nil, at: 0)
        }
        let observedAt = try time(source, table, payload, receivedAt)
        for (place, field) in mapped {
            guard let value = values[field] else { continue }
            try requireRoom(at: value.start)
            let mapping = sources[source].mappings[place]
            let target = wheel.map { mapping.targets[$0] } ?? mapping.targets[0]
            append(
                number(value, payload, mapping),
                target,
                observedAt: observedAt,
                receivedAt: receivedAt,
                at: value.start
            )
        }
        return true
    }

    private func number(
        _ value: JSONWalk.Value,
        _ payload: Span<UInt8>,
        _ mapping: Source.Mapping
    ) -> Double? {
        switch value.kind {
        case .number(let number): number
        case .boolean(let isTrue): isTrue ? 1 : 0
        case .text: SourceDecoder.meaning(of: value.string(payload), mapping)
        case .null: nil
        }
    }

    /// What stands at a pointer, as text: numbers name vehicles and sensors too.
    private func text(_ table: FieldTable, _ pointer: String, _ payload: Span<UInt8>) -> String? {
        guard let field = table.field(pointer), let value = values[field] else { return nil }
        return value.kind == .null ? nil : value.string(payload)
    }

    private mutating func time(
        _ source: Int,
        _ table: FieldTable,
        _ payload: Span<UInt8>,
        _ receivedAt: Timestamp
    ) throws(Rejection) -> Timestamp {
        guard let pointer = sources[source].timePointer else { return receivedAt }
        guard let field = table.field(pointer), let value = values[field] else {
            throw Rejection(.missingField, at: 0, pointer)
        }
        var found: Timestamp?
        switch value.kind {
        case .text:
            found = times.decode(payload, from: value.start + 1, to: value.end - 1)
        // Ten digits of seconds last until 2286, and milliseconds had as few only in April 1970.
        case .number(let number) where number.magnitude < 1e15:
            found = Timestamp(milliseconds: Int64(number * (number < 1e11 ? 1_000 : 1)))
        case .number, .boolean, .null: break
        }
        guard let found else { throw Rejection(.badTimestamp, at: value.start) }
        return found
    }

    // MARK: SenML

    private mutating func senml(
        _ source: Int,
        _ topic: Span<UInt8>,
        _ payload: Span<UInt8>,
        _ receivedAt: Timestamp
    ) throws(Rejection) -> Bool {
        var isNamed = false
        vehicle.removeAll()
        if sources[source].naming != .senmlName {
            vehicle = try name(source, topic, body: nil, at: 0)
            isNamed = true
        }
        let records = try SenMLPack.records(payload)
        for record in records {
            guard let value = record.value else { continue }
            try requireRoom(at: record.start)
            let (owner, path) = SenMLPack.split(record.name)
            if !isNamed {
                vehicle = try name(source, topic, body: owner, at: record.start)
                isNamed = true
            } else if sources[source].naming == .senmlName,
                try name(source, topic, body: owner, at: record.start) != vehicle
            {
                rejections.append(Rejection(.badVehicle, at: record.start, "one vehicle a pack"))
                continue
            }
            let place = fields[source].mapping(Array(path.utf8).span)
            let mapping = place.map { sources[source].mappings[$0] }
            guard let signal = mapping?.targets[0].signal ?? catalogue.find(path: path) else {
                rejections.append(Rejection(.unknownSignal, at: record.start, path))
                continue
            }
            var conversion =
                mapping?.targets[0].conversion ?? UnitConversion(factor: 1, offset: 0)
            if let unit = record.unit {
                guard let named = Units.conversion(from: unit, to: catalogue[signal].unit) else {
                    rejections.append(Rejection(.unknownUnit, at: record.start, unit))
                    continue
                }
                conversion = named
            }
            append(
                value,
                Source.Target(signal: signal, conversion: conversion),
                observedAt: record.time(receivedAt: receivedAt),
                receivedAt: receivedAt,
                at: record.start
            )
        }
        return isNamed && !(readings.isEmpty && rejections.isEmpty)
    }

    // MARK: Parts

    private func requireRoom(at offset: Int) throws(Rejection) {
        guard readings.count + rejections.count < Limits.readingsPerPacketMax else {
            throw Rejection(.tooManyReadings, at: offset)
        }
    }

    private mutating func append(
        _ value: Double?,
        _ target: Source.Target,
        observedAt: Timestamp,
        receivedAt: Timestamp,
        at offset: Int
    ) {
        let path = catalogue[target.signal].path
        guard let value, value.isFinite else {
            return rejections.append(Rejection(.wrongType, at: offset, path))
        }
        let converted = value * target.conversion.factor + target.conversion.offset
        guard let quality = catalogue.quality(of: converted, signal: target.signal) else {
            return rejections.append(Rejection(.outOfRange, at: offset, path))
        }
        possible.begin(receivedAt: receivedAt)
        guard possible.contains(observedAt) else {
            return rejections.append(possible.rejection(of: observedAt, at: offset))
        }
        readings.append(
            DecodedReading(
                observedAt: observedAt,
                value: converted,
                signal: target.signal,
                quality: quality
            )
        )
    }

    private func name(
        _ source: Int,
        _ topic: Span<UInt8>,
        body: String?,
        at offset: Int
    ) throws(Rejection) -> [UInt8] {
        var name: [UInt8] = []
        if case .topic(let pieces) = sources[source].naming {
            let captures = sources[source].topic.captures(in: topic) ?? []
            for piece in pieces {
                switch piece {
                case .text(let text): name.append(contentsOf: text.utf8)
                case .capture(let place):
                    for index in captures[place] { name.append(topic[index]) }
                }
            }
        } else {
            name = Array((body ?? "").utf8)
        }
        if !sources[source].renames.isEmpty,
            let renamed = sources[source].renames[String(decoding: name, as: UTF8.self)]
        {
            name = Array(renamed.utf8)
        }
        guard TopicParser.isVehicleName(name.span, 0..<name.count) else {
            throw Rejection(.badVehicle, at: offset)
        }
        return name
    }
}

/// The names a source looks for → places among the values collected from a packet.
struct FieldTable: Sendable {
    private var names = InternTable()
    private var mappingOfField: [Int: Int] = [:]
    /// Mappings in the order of the file, with the field each reads.
    private(set) var mappingFields: [(mapping: Int, field: Int)] = []

    init(_ source: Source) {
        for (place, mapping) in source.mappings.enumerated() {
            let field = names.intern(Array(mapping.from.utf8).span)
            mappingOfField[field] = place
            mappingFields.append((place, field))
        }
        var pointers = source.conditions.map(\.pointer)
        pointers += [source.sensorPointer, source.timePointer].compactMap(\.self)
        if case .pointer(let pointer) = source.naming { pointers.append(pointer) }
        for pointer in pointers { _ = names.intern(Array(pointer.utf8).span) }
    }

    var count: Int { names.count }

    func field(_ pointer: String) -> Int? { names.find(Array(pointer.utf8).span) }

    func field(_ pointer: Span<UInt8>) -> Int? { names.find(pointer) }

    func mapping(_ name: Span<UInt8>) -> Int? { names.find(name).flatMap { mappingOfField[$0] } }
}
