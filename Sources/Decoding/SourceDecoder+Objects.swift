import Telemetry

extension SourceDecoder {
    /// A JSON object, or an array of objects that are packets of their own.
    mutating func object(
        _ source: Int,
        _ topic: Span<UInt8>,
        _ payload: Span<UInt8>,
        _ arrival: Arrival
    ) throws(Rejection) -> Outcome {
        guard !payload.isEmpty else { throw Rejection(.empty, at: 0) }
        var scanner = JSONScanner()
        let opening = try scanner.peek(payload)
        if let walk = sources[source].walk, walk.parts == nil {
            guard let start = try batch(walk.pointer, source, payload) else { return .ignored }
            scanner.position = start
            if payload[start] == UInt8(ascii: "[") {
                return try elements(&scanner, source, topic, payload, arrival)
            }
        }
        let isNamedList = sources[source].walk?.pointer.isEmpty ?? false
        guard opening == UInt8(ascii: "{") || (isNamedList && opening == UInt8(ascii: "[")) else {
            try scanner.skipValue(payload)
            try scanner.end(payload)
            return .foreign(Rejection(.wrongType, at: 0, "object expected"))
        }
        let outcome = try packet(&scanner, source, topic, payload, arrival)
        try scanner.end(payload)
        endMessage()
        return outcome
    }

    /// Where a batch begins: at its array, or at the one element that stands there alone.
    private mutating func batch(
        _ pointer: String,
        _ source: Int,
        _ payload: Span<UInt8>
    ) throws(Rejection) -> Int? {
        var scanner = JSONScanner()
        guard !pointer.isEmpty else {
            _ = try scanner.peek(payload)
            return scanner.position
        }
        let pointers = [pointer, sources[source].bodyPointer, sources[source].clock.pointer]
        let found = try JSONWalk.collect(&scanner, payload, FieldTable(pointers))
        try scanner.end(payload)
        for case let name? in pointers.dropFirst() { envelope[name] = found.value(name) }
        guard let array = found.value(pointer) else { return nil }
        guard payload[array.start] == UInt8(ascii: "[") else {
            throw Rejection(.wrongType, at: array.start, "array expected at \(pointer)")
        }
        return array.start
    }

    /// Takes the elements of a batch; what is wrong with one costs only itself.
    private mutating func elements(
        _ scanner: inout JSONScanner,
        _ source: Int,
        _ topic: Span<UInt8>,
        _ payload: Span<UInt8>,
        _ arrival: Arrival
    ) throws(Rejection) -> Outcome {
        var others = 0
        var areForeign = false
        if try scanner.open(UInt8(ascii: "["), UInt8(ascii: "]"), payload) {
            repeat {
                _ = try scanner.peek(payload)
                let start = scanner.position
                try scanner.skipValue(payload)
                guard !takenElements.contains(start) else { continue }
                do throws(Rejection) {
                    var inner = JSONScanner(position: start)
                    try inner.requireObject(payload)
                    switch try packet(&inner, source, topic, payload, arrival) {
                    case .taken, .takenInPart: takenElements.insert(start)
                    case .ignored: others += 1
                    case .foreign:
                        others += 1
                        areForeign = true
                    }
                } catch {
                    guard error.isAboutMeaning else { throw error }
                    takenElements.insert(start)
                    try reject(error)
                }
                endMessage()
            } while try scanner.another(before: UInt8(ascii: "]"), payload)
        }
        if sources[source].walk?.pointer.isEmpty ?? true { try scanner.end(payload) }
        if messages.isEmpty { return areForeign ? .foreign(nil) : .ignored }
        return others > 0 ? .takenInPart : .taken
    }

    /// A value that was sent, and where its unit and time stand, if anywhere.
    private struct Sent {
        var mapping: Int
        var value: JSONWalk.Value
        var unit: JSONWalk.Value?
        var clock: SourceClock?
        var time: JSONWalk.Value?
    }

    /// Takes one object into the message that was begun.
    private mutating func packet(
        _ scanner: inout JSONScanner,
        _ source: Int,
        _ topic: Span<UInt8>,
        _ payload: Span<UInt8>,
        _ arrival: Arrival
    ) throws(Rejection) -> Outcome {
        let start = scanner.position
        let fields = try JSONWalk.collect(&scanner, payload, fields[source].packet)
        // An envelope may say once what holds for all elements.
        func common(_ pointer: String?) -> JSONWalk.Value? {
            fields.value(pointer) ?? pointer.flatMap { envelope[$0] }
        }
        for condition in sources[source].conditions {
            guard condition.holds(for: fields.value(condition.pointer), in: payload) else {
                return .foreign(nil)
            }
        }
        var sent: [Sent] = []
        if let walk = sources[source].walk, let parts = walk.parts {
            guard let array = fields.value(walk.pointer) else { return .ignored }
            sent = try named(array, parts, source, walk.pointer, payload)
        } else {
            for (place, mapping) in sources[source].mappings.enumerated() {
                guard let found = fields.value(mapping.from) else { continue }
                guard mapping.isByPlace || !found.isByPlace else {
                    throw Rejection(
                        .wrongType,
                        at: found.start,
                        "\(mapping.from) leads into an array: by_place or each"
                    )
                }
                sent.append(
                    Sent(
                        mapping: place,
                        value: found,
                        unit: fields.value(mapping.unitPointer),
                        clock: mapping.clock,
                        time: fields.value(mapping.clock?.pointer)
                    )
                )
            }
        }
        guard !sent.isEmpty || !message.isEmpty else { return .ignored }
        var body: String?
        switch sources[source].naming {
        case .pointer(let pointer), .sensor(.pointer(let pointer)):
            guard let found = common(pointer), found.kind != .composite else {
                throw Rejection(.missingField, at: start, pointer)
            }
            body = found.string(payload)
        case .sensor(let naming):
            body = String(decoding: text(of: naming, source, topic) ?? [], as: UTF8.self)
        case .topic, .senmlName: break
        }
        var wheel: String?
        if case .sensor = sources[source].naming {
            let mounting = try mounting(source, of: body ?? "", at: start)
            message.vehicle = Array(mounting.vehicle.utf8)
            wheel = mounting.wheel
        } else {
            message.vehicle = try name(source, topic, body: body, at: start)
        }
        let clock = sources[source].clock
        let packetTime: Result<Moment, Rejection>
        do throws(Rejection) {
            packetTime = .success(try instant(clock, common(clock.pointer), payload, arrival))
        } catch {
            // It costs only the values that tell no time of their own.
            packetTime = .failure(error)
        }
        for sent in sent {
            try take(sent, source, wheel, packetTime, payload, arrival)
        }
        return message.isEmpty ? .ignored : .taken
    }

    private mutating func take(
        _ sent: Sent,
        _ source: Int,
        _ wheel: String?,
        _ packetTime: Result<Moment, Rejection>,
        _ payload: Span<UInt8>,
        _ arrival: Arrival
    ) throws(Rejection) {
        let mapping = sources[source].mappings[sent.mapping]
        var target = mapping.targets[0]
        if let wheel {
            guard let place = mapping.wheels.firstIndex(of: wheel) else {
                let others = sources[source].mappings.filter { $0.from == mapping.from }
                // Another mapping of the same value may cover it.
                guard !others.contains(where: { $0.wheels.contains(wheel) }) else { return }
                return try reject(Rejection(.unknownSensor, at: sent.value.start, "on \(wheel)"))
            }
            target = mapping.targets[place]
        }
        if let unit = sent.unit, unit.end - unit.start > 2 || unit.kind != .text {
            let name = unit.kind == .composite ? "" : unit.string(payload)
            let own = catalogue[target.signal].unit
            guard let conversion = Units.conversion(from: name, to: own) else {
                return try reject(Rejection(.unknownUnit, at: unit.start, name))
            }
            target.conversion = conversion
        }
        let moment: Moment
        do throws(Rejection) {
            if let clock = sent.clock, sent.time != nil {
                moment = try instant(clock, sent.time, payload, arrival)
            } else {
                moment = try packetTime.get()
            }
        } catch {
            return try reject(error)
        }
        // A value that tells no time may be hours old when the broker kept it.
        guard !moment.isByArrival || !arrival.isRetained else {
            retained += 1
            return
        }
        timesByArrival = timesByArrival || moment.isByArrival
        try append(
            SentValue(sent.value, payload, mapping),
            mapping,
            target,
            observedAt: moment.time,
            arrival,
            at: sent.value.start
        )
    }

    // MARK: Elements with names

    /// The elements of an array that the source maps, each by the name that stands in it.
    private mutating func named(
        _ array: JSONWalk.Value,
        _ parts: Source.Walk.Parts,
        _ source: Int,
        _ pointer: String,
        _ payload: Span<UInt8>
    ) throws(Rejection) -> [Sent] {
        var scanner = JSONScanner(position: array.start)
        guard payload[array.start] == UInt8(ascii: "[") else {
            // The whole document may be one element alone.
            if pointer.isEmpty { return try element(&scanner, parts, source, payload) }
            throw Rejection(.wrongType, at: array.start, "array expected at \(pointer)")
        }
        var sent: [Sent] = []
        guard try scanner.open(UInt8(ascii: "["), UInt8(ascii: "]"), payload) else { return [] }
        repeat {
            _ = try scanner.peek(payload)
            var inner = JSONScanner(position: scanner.position)
            try scanner.skipValue(payload)
            do throws(Rejection) {
                sent += try element(&inner, parts, source, payload)
            } catch {
                guard error.isAboutMeaning else { throw error }
                try reject(error)
            }
        } while try scanner.another(before: UInt8(ascii: "]"), payload)
        return sent
    }

    /// An element's parts, once for each mapping of its name.
    private func element(
        _ scanner: inout JSONScanner,
        _ parts: Source.Walk.Parts,
        _ source: Int,
        _ payload: Span<UInt8>
    ) throws(Rejection) -> [Sent] {
        let start = scanner.position
        try scanner.requireObject(payload)
        let found = try JSONWalk.collect(&scanner, payload, fields[source].parts)
        guard let name = found.value(parts.name), name.kind != .composite else {
            throw Rejection(.missingField, at: start, parts.name)
        }
        let key = Array(name.string(payload).utf8)
        let mappings = fields[source].mappings(key.span)
        guard !mappings.isEmpty else { return [] }
        guard let value = found.sent(parts.value) else {
            throw Rejection(.missingField, at: start, parts.value)
        }
        guard value.kind != .null else { return [] }
        return mappings.map { mapping in
            Sent(
                mapping: mapping,
                value: value,
                unit: found.value(parts.unit),
                clock: parts.clock,
                time: found.value(parts.clock?.pointer)
            )
        }
    }

    // MARK: Times

    private struct Moment {
        var time: Timestamp
        /// Whether it is the arrival, or counts from it.
        var isByArrival: Bool
    }

    private func instant(
        _ clock: SourceClock,
        _ value: JSONWalk.Value?,
        _ payload: Span<UInt8>,
        _ arrival: Arrival
    ) throws(Rejection) -> Moment {
        switch clock {
        case .arrival: return Moment(time: arrival.at, isByArrival: true)
        case .told(let pointer, let form):
            guard let value else { throw Rejection(.missingField, at: 0, pointer) }
            guard value.kind != .composite,
                let time = form.instant(
                    of: Array(value.string(payload).utf8),
                    receivedAt: arrival.at
                )
            else { throw Rejection(.badTimestamp, at: value.start) }
            return Moment(time: time, isByArrival: false)
        case .arrivalMinus(_, let unit):
            guard let value else { return Moment(time: arrival.at, isByArrival: true) }
            let text = value.kind == .composite ? "" : value.string(payload)
            // Past any time that counts, a number might not be whole milliseconds any more.
            guard let age = JSONScanner.number(in: Array(text.utf8)), age >= 0,
                age * Double(unit) < 1e15
            else { throw Rejection(.badTimestamp, at: value.start) }
            let time = arrival.at - Milliseconds(Int64(age * Double(unit)))
            return Moment(time: time, isByArrival: true)
        }
    }
}
