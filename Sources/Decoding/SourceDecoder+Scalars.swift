import Telemetry

extension SourceDecoder {
    /// A payload that is one value, or a list of them; the topic names it.
    mutating func scalar(
        _ source: Int,
        _ topic: Span<UInt8>,
        _ payload: Span<UInt8>,
        _ arrival: Arrival
    ) throws(Rejection) -> Outcome {
        let places = mappings(source, topic)
        let (start, end) = SourceDecoder.trimmed(payload, 0, payload.count)
        // An empty retained publish is MQTT's way to take a value back.
        guard !places.isEmpty, start < end else { return .ignored }
        guard !arrival.isRetained else {
            retained += places.count
            return .ignored
        }
        timesByArrival = true
        if case .sensor(let naming) = sources[source].naming {
            try sensed(places, by: naming, source, topic, payload, start, end, arrival)
        } else {
            message.vehicle = try name(source, topic, body: nil, at: 0)
            for place in places {
                try take(sources[source].mappings[place], payload, start, end, arrival)
            }
        }
        endMessage()
        return messages.isEmpty ? .ignored : .taken
    }

    /// A sensor's value, for the wheel it sits on.
    private mutating func sensed(
        _ places: [Int],
        by naming: Source.Naming,
        _ source: Int,
        _ topic: Span<UInt8>,
        _ payload: Span<UInt8>,
        _ start: Int,
        _ end: Int,
        _ arrival: Arrival
    ) throws(Rejection) {
        let sensor = String(decoding: text(of: naming, source, topic) ?? [], as: UTF8.self)
        let mounting = try mounting(source, of: sensor, at: start)
        message.vehicle = Array(mounting.vehicle.utf8)
        var isCovered = false
        for place in places {
            let mapping = sources[source].mappings[place]
            guard let wheel = mapping.wheels.firstIndex(of: mounting.wheel) else { continue }
            isCovered = true
            let value = SentValue(bytes: payload, from: start, to: end, mapping)
            let target = mapping.targets[wheel]
            try append(value, mapping, target, observedAt: arrival.at, arrival, at: start)
        }
        guard isCovered else {
            throw Rejection(.unknownSensor, at: start, "\(sensor) on \(mounting.wheel)")
        }
    }

    /// A value or list, for one of the mappings of its name.
    private mutating func take(
        _ mapping: Source.Mapping,
        _ payload: Span<UInt8>,
        _ start: Int,
        _ end: Int,
        _ arrival: Arrival
    ) throws(Rejection) {
        let values = try values(payload, start, end, mapping)
        // With one too many or too few, a value's place names nothing: decimal commas add values.
        guard values.count == mapping.targets.count else {
            throw Rejection(
                .wrongType,
                at: start,
                "\(mapping.targets.count) values expected, \(values.count) sent"
            )
        }
        for (value, target) in zip(values, mapping.targets) {
            guard let value else { continue }
            try append(
                value.sent,
                mapping,
                target,
                observedAt: arrival.at,
                arrival,
                at: value.start
            )
        }
    }

    /// The mappings that the rest of a topic names.
    private func mappings(_ source: Int, _ topic: Span<UInt8>) -> [Int] {
        guard let rest = sources[source].topic.captures(in: topic)?.last else { return [] }
        var key: [UInt8] = []
        for index in rest {
            let isDot = sources[source].dotsAreLevels && topic[index] == UInt8(ascii: ".")
            key.append(isDot ? UInt8(ascii: "/") : topic[index])
        }
        return fields[source].mappings(key.span)
    }

    /// The values of a payload; nil where a list has none.
    private func values(
        _ payload: Span<UInt8>,
        _ start: Int,
        _ end: Int,
        _ mapping: Source.Mapping
    ) throws(Rejection) -> [(sent: SentValue, start: Int)?] {
        if mapping.targets.count == 1 {
            return [(SentValue(bytes: payload, from: start, to: end, mapping), start)]
        }
        var values: [(sent: SentValue, start: Int)?] = []
        if payload[start] == UInt8(ascii: "[") {
            for element in try JSONWalk.elements(payload) {
                let isNone = element.kind == .null
                values.append(isNone ? nil : (SentValue(element, payload, mapping), element.start))
            }
            return values
        }
        var from = start
        while from <= end, values.count <= Limits.readingsPerPacketMax {
            var to = from
            while to < end, payload[to] != UInt8(ascii: ",") { to += 1 }
            let (first, last) = SourceDecoder.trimmed(payload, from, to)
            let isNone = first == last
            values.append(
                isNone ? nil : (SentValue(bytes: payload, from: first, to: last, mapping), first)
            )
            from = to + 1
        }
        return values
    }

    private static func trimmed(_ bytes: Span<UInt8>, _ from: Int, _ to: Int) -> (Int, Int) {
        var (start, end) = (from, to)
        while start < end, bytes[start] <= 0x20 { start += 1 }
        while end > start, bytes[end - 1] <= 0x20 { end -= 1 }
        return (start, end)
    }
}
