import Telemetry

extension SourceDecoder {
    /// A SenML pack (RFC 8428): its records name themselves.
    mutating func senml(
        _ source: Int,
        _ topic: Span<UInt8>,
        _ payload: Span<UInt8>,
        _ arrival: Arrival
    ) throws(Rejection) -> Outcome {
        let isNamedInside = sources[source].naming == .senmlName
        if !isNamedInside { message.vehicle = try name(source, topic, body: nil, at: 0) }
        for record in try SenMLPack.records(payload) {
            guard let value = record.value else { continue }
            let (owner, path) = SenMLPack.split(record.name)
            if isNamedInside {
                let name = try name(source, topic, body: owner, at: record.start)
                if message.vehicle.isEmpty { message.vehicle = name }
                guard name == message.vehicle else {
                    try reject(Rejection(.badVehicle, at: record.start, "one vehicle a pack"))
                    continue
                }
            }
            let place = fields[source].mappings(Array(path.utf8).span).first
            var mapping =
                place.map { sources[source].mappings[$0] }
                ?? Source.Mapping(from: path, targets: [])
            guard let signal = mapping.targets.first?.signal ?? catalogue.find(path: path) else {
                try reject(Rejection(.unknownSignal, at: record.start, path))
                continue
            }
            var target =
                mapping.targets.first
                ?? Source.Target(signal: signal, conversion: UnitConversion(factor: 1, offset: 0))
            if let unit = record.unit {
                guard let named = Units.conversion(from: unit, to: catalogue[signal].unit) else {
                    try reject(Rejection(.unknownUnit, at: record.start, unit))
                    continue
                }
                target.conversion = named
                mapping.scale = UnitConversion(factor: 1, offset: 0)
            }
            let isByArrival = record.seconds < 0x1p28
            guard !isByArrival || !arrival.isRetained else {
                retained += 1
                continue
            }
            timesByArrival = timesByArrival || isByArrival
            try append(
                record.isTruth ? .truth(value == 1) : SentValue(number: value, mapping),
                mapping,
                target,
                observedAt: record.time(receivedAt: arrival.at),
                arrival,
                at: record.start
            )
        }
        endMessage()
        return messages.isEmpty ? .ignored : .taken
    }
}
