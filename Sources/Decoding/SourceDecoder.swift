package import Telemetry

/// Packets of the configured sources → readings and rejections.
///
/// A packet of which the source maps nothing is ignored, not rejected: senders publish much that
/// no workshop needs. What is mapped and cannot be used is rejected, and costs only itself.
package struct SourceDecoder: Sendable {
    package enum Outcome: Sendable {
        /// The readings and rejections are the packet's.
        case taken
        /// The packet says nothing the source maps, or the broker kept it and it has no time.
        case ignored
        /// The packet is not the source's, by its conditions.
        case foreign
    }

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

    /// The next source whose topic matches, in the order of the files, from a place on.
    package func source(of topic: Span<UInt8>, from first: Int = 0) -> Int? {
        for place in first..<openings.count {
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
    /// - Throws: the rejection that costs the whole packet; the buffers are then empty.
    package mutating func decode(
        _ source: Int,
        topic: Span<UInt8>,
        payload: Span<UInt8>,
        receivedAt: Timestamp,
        isRetained: Bool
    ) throws(Rejection) -> Outcome {
        readings.removeAll(keepingCapacity: true)
        rejections.removeAll(keepingCapacity: true)
        guard payload.count <= Limits.payloadBytesMax else {
            throw Rejection(.payloadTooLarge, at: Limits.payloadBytesMax)
        }
        do throws(Rejection) {
            let isRefused = isRetained && sources[source].refusesRetained
            switch sources[source].shape {
            case .scalar:
                guard !isRefused else { return .ignored }
                return try scalar(source, topic, payload, receivedAt) ? .taken : .ignored
            case .object:
                guard try isOurs(source, payload) else { return .foreign }
                guard !isRefused else { return .ignored }
                return try object(source, topic, payload, receivedAt) ? .taken : .ignored
            case .senml:
                return try senml(source, topic, payload, receivedAt) ? .taken : .ignored
            case .native: return .ignored
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
        let targets = sources[source].mappings[place].targets
        var elements: [(value: Double?, at: Int)?] = []
        if targets.count == 1 {
            elements.append((word(payload, start, end, mapping), start))
        } else if payload[start] == UInt8(ascii: "[") {
            for element in try JSONWalk.elements(payload) {
                let isNone = element.kind == .null
                elements.append(
                    isNone ? nil : (number(element, payload, mapping), element.start)
                )
            }
        } else {
            elements = list(payload, start, end, mapping)
        }
        // With one too many or too few, a value's place names nothing: decimal commas add values.
        guard elements.count == targets.count else {
            throw Rejection(
                .wrongType,
                at: start,
                "\(targets.count) values expected, \(elements.count) sent"
            )
        }
        vehicle = try name(source, topic, body: nil, at: 0)
        for (element, target) in zip(elements, targets) {
            guard let element else { continue }
            append(
                element.value,
                target,
                observedAt: receivedAt,
                receivedAt: receivedAt,
                at: element.at
            )
        }
        return true
    }

    /// The values between commas, one more than a packet may have at most; nil where there is none.
    private func list(
        _ payload: Span<UInt8>,
        _ start: Int,
        _ end: Int,
        _ mapping: Source.Mapping
    ) -> [(value: Double?, at: Int)?] {
        var elements: [(value: Double?, at: Int)?] = []
        var from = start
        while from <= end, elements.count <= Limits.readingsPerPacketMax {
            var to = from
            while to < end, payload[to] != UInt8(ascii: ",") { to += 1 }
            let (first, last) = trimmed(payload, from, to)
            elements.append(first < last ? (word(payload, first, last, mapping), first) : nil)
            from = to + 1
        }
        return elements
    }

    private func trimmed(_ bytes: Span<UInt8>, _ from: Int, _ to: Int) -> (Int, Int) {
        var (start, end) = (from, to)
        while start < end, bytes[start] <= 0x20 { start += 1 }
        while end > start, bytes[end - 1] <= 0x20 { end -= 1 }
        return (start, end)
    }

    /// A number, also as a JSON string, a truth value or one of the mapping's words; nil for
    /// anything else.
    private func word(
        _ bytes: Span<UInt8>,
        _ start: Int,
        _ end: Int,
        _ mapping: Source.Mapping
    ) -> Double? {
        guard end - start <= SourceDecoder.wordBytesMax else { return nil }
        if bytes[start] == UInt8(ascii: "\"") {
            var scanner = JSONScanner(position: start)
            guard let text = try? scanner.text(bytes), scanner.position == end else { return nil }
            return SourceDecoder.meaning(of: scanner.unescaped(text, bytes), mapping)
        }
        var text: [UInt8] = []
        for index in start..<end { text.append(bytes[index]) }
        return SourceDecoder.meaning(of: text, mapping)
    }

    /// One of the mapping's words, a truth value, or a number with nothing but blanks around it.
    private static func meaning(of text: [UInt8], _ mapping: Source.Mapping) -> Double? {
        let word = String(decoding: text, as: UTF8.self)
        if let value = mapping.words[word] { return value }
        switch word {
        case "true": return 1
        case "false": return 0
        default: return number(in: text)
        }
    }

    private static func number(in text: [UInt8]) -> Double? {
        guard text.count <= wordBytesMax,
            let start = text.firstIndex(where: { $0 != 0x20 }),
            let last = text.lastIndex(where: { $0 != 0x20 })
        else { return nil }
        let bytes = Array(text[start...last])
        var scanner = JSONScanner()
        guard let number = try? scanner.number(bytes.span), scanner.position == bytes.count else {
            return nil
        }
        return number
    }

    /// Longer texts are no words: units and states have a few letters.
    private static let wordBytesMax = 64

    // MARK: Objects

    /// Reads the body's values; false when the source's conditions say that it is another's.
    private mutating func isOurs(
        _ source: Int,
        _ payload: Span<UInt8>
    ) throws(Rejection) -> Bool {
        let table = fields[source]
        guard !payload.isEmpty else { throw Rejection(.empty, at: 0) }
        var scanner = JSONScanner()
        try scanner.requireObject(payload)
        values.removeAll(keepingCapacity: true)
        values.append(contentsOf: repeatElement(nil, count: table.count))
        try JSONWalk.collect(payload, table, into: &values)
        for condition in sources[source].conditions {
            let value = table.field(condition.pointer).flatMap { values[$0] }
            guard condition.holds(for: value, in: payload) else { return false }
        }
        return true
    }

    /// Takes the values that `isOurs` has read.
    private mutating func object(
        _ source: Int,
        _ topic: Span<UInt8>,
        _ payload: Span<UInt8>,
        _ receivedAt: Timestamp
    ) throws(Rejection) -> Bool {
        let table = fields[source]
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
        case .text: SourceDecoder.meaning(of: Array(value.string(payload).utf8), mapping)
        case .null, .composite: nil
        }
    }

    /// What stands at a pointer, as text: numbers name vehicles and sensors too.
    private func text(_ table: FieldTable, _ pointer: String, _ payload: Span<UInt8>) -> String? {
        guard let field = table.field(pointer), let value = values[field] else { return nil }
        return value.kind == .null || value.kind == .composite ? nil : value.string(payload)
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
            if found == nil {
                found = SourceDecoder.number(in: Array(value.string(payload).utf8))
                    .flatMap(SourceDecoder.time(counted:))
            }
        case .number(let number): found = SourceDecoder.time(counted: number)
        case .boolean, .null, .composite: break
        }
        guard let found else { throw Rejection(.badTimestamp, at: value.start) }
        return found
    }

    /// A count since 1970 in seconds, milliseconds, microseconds or nanoseconds, by its size.
    ///
    /// Each form is a thousand times the one before, and ten digits of seconds last until 2286.
    private static func time(counted number: Double) -> Timestamp? {
        switch number.magnitude {
        case ..<1e11: Timestamp(milliseconds: Int64(number * 1e3))
        case ..<1e14: Timestamp(milliseconds: Int64(number))
        case ..<1e17: Timestamp(milliseconds: Int64(number / 1e3))
        case ..<1e20: Timestamp(milliseconds: Int64(number / 1e6))
        default: nil
        }
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
