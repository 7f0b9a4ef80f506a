import Decoding
import Telemetry

/// What libFuzzer calls with every input: no trap, no hang, and the promises of the decoders kept.
private let catalogue = Catalogue(
    version: "fuzz",
    signals: [
        ("Vehicle.Speed", "km/h"), ("Vehicle.TraveledDistance", "m"),
        ("Vehicle.LowVoltageBattery.CurrentVoltage", "V"),
        ("Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.Pressure", "kPa"),
    ].map {
        SignalDefinition(
            path: $0.0,
            datatype: .float,
            unit: $0.1,
            minimum: -1e6,
            maximum: 1e9,
            noReading: [255],
            aliases: []
        )
    }
)

private let now = Timestamp(milliseconds: 1_772_323_200_000)

private func sources() -> [Source] {
    let speed = SignalID(index: 0)
    let same = UnitConversion(factor: 1, offset: 0)
    func source(_ topic: String, _ shape: Source.Shape, _ from: String) -> Source {
        var source = Source(
            name: topic,
            topic: TopicPattern(topic) ?? { preconditionFailure("\(topic) is a pattern") }(),
            shape: shape,
            naming: .topic([.capture(0)])
        )
        let target = Source.Target(signal: speed, conversion: same)
        var mapping = Source.Mapping(from: from, targets: [target])
        mapping.words = ["yes": 1]
        source.mappings = [mapping]
        return source
    }
    var list = source("s/{vehicle}/{rest...}", .scalar, "x")
    list.mappings[0].targets.append(list.mappings[0].targets[0])
    var object = source("o/{vehicle}", .object, "/a/b")
    object.clock = .told(pointer: "/ts", TimeForm(zone: .utc))
    object.mappings[0].unitPointer = "/u"
    var dated = source("d/{vehicle}", .object, "/a")
    dated.clock = .told(
        pointer: "/ts",
        TimeForm(zone: .utc, format: TimeFormat("%a %d %b %Y %I:%M:%S.%f %p %z"))
    )
    var batch = source("b/{vehicle}", .object, "/a")
    batch.walk = Source.Walk(pointer: "", parts: nil)
    var named = source("n/{vehicle}", .object, "a")
    named.walk = Source.Walk(
        pointer: "/list",
        parts: Source.Walk.Parts(name: "/name", value: "/value")
    )
    return [list, object, source("m/{vehicle}", .senml, "x"), dated, batch, named]
}

/// Kept between inputs, as between packets: what one leaves behind must not harm the next.
nonisolated(unsafe) private var decoder = PayloadDecoder(catalogue: catalogue)
nonisolated(unsafe) private var foreign = SourceDecoder(sources: sources(), catalogue: catalogue)

private func check(_ readings: [DecodedReading], _ rejections: [Rejection], _ count: Int) {
    precondition(readings.count + rejections.count <= Limits.readingsPerPacketMax + 1)
    for reading in readings {
        precondition(reading.value.isFinite)
        precondition(reading.observedAt >= Limits.observedAtMin)
    }
    for rejection in rejections { precondition((0...count).contains(rejection.byteOffset)) }
}

/// One input: every decoder takes it, and its promises are checked.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    do throws(Rejection) {
        _ = try decoder.decodeTelemetry(bytes.span, receivedAt: now)
        check(decoder.readings, decoder.rejections, count)
    } catch {
        precondition(decoder.readings.isEmpty && (0...count).contains(error.byteOffset))
    }
    do throws(Rejection) {
        _ = try decoder.decodeLine(bytes.span, clock: now)
        check(decoder.readings, decoder.rejections, count)
    } catch {
        precondition((0...count).contains(error.byteOffset))
    }
    _ = try? ProfileDecoder.decode(bytes.span)
    _ = try? TopicParser.parse(bytes.span)
    for (index, topic) in ["s/v/x", "o/v", "m/v", "d/v", "b/v", "n/v"].enumerated() {
        _ = try? foreign.decode(
            index,
            topic: Array(topic.utf8).span,
            payload: bytes.span,
            receivedAt: now,
            isRetained: false
        )
        for message in foreign.messages { check(message.readings, message.rejections, count) }
    }
    return 0
}
