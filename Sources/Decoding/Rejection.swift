import Telemetry

/// Why bytes did not become a reading.
///
/// The codes are API: additions only.
package enum RejectionReason: String, CaseIterable, Sendable {
    /// The topic is not one of ours, or its vehicle level is empty, too long or holds `+ # $` or
    /// a control character.
    case badTopic = "bad_topic"
    /// The body's vehicle name breaks the same rules.
    case badVehicle = "bad_vehicle"
    /// More bytes than `Limits.payloadBytesMax`.
    case payloadTooLarge = "payload_too_large"
    /// Nothing was sent.
    case empty = "empty"
    /// Not JSON by RFC 8259, at the given byte.
    case notJSON = "not_json"
    /// Values nested deeper than `Limits.nestingDepthMax`.
    case nestingTooDeep = "nesting_too_deep"
    /// JSON, but not an object of the expected shape.
    case wrongType = "wrong_type"
    /// A field of the format is absent; the detail names it.
    case missingField = "missing_field"
    /// A field of the format occurs twice; the detail names it.
    case duplicateField = "duplicate_field"
    /// `v` is not a version we read.
    case unsupportedVersion = "unsupported_version"
    /// More readings than `Limits.readingsPerPacketMax`.
    case tooManyReadings = "too_many_readings"
    /// `readings` is empty.
    case noReadings = "no_readings"
    /// The path is not in the catalogue.
    case unknownSignal = "unknown_signal"
    /// The unit is unknown or measures something else. A unit is never guessed.
    case unknownUnit = "unknown_unit"
    /// The value does not fit the catalogue's range or the number format.
    case outOfRange = "out_of_range"
    /// Not RFC 3339 with a zone, or no such day.
    case badTimestamp = "bad_timestamp"
    /// Further ahead of its arrival than `Limits.futureMillisecondsMax`.
    case futureTimestamp = "future_timestamp"
    /// Before `Limits.observedAtMin`: a clock that was never set.
    case timestampTooOld = "timestamp_too_old"
    /// The sensor is not in its source's table.
    case unknownSensor = "unknown_sensor"
    /// `Limits.vehiclesMax` vehicles are known already.
    case tooManyVehicles = "too_many_vehicles"
}

/// Bytes that did not become a reading: where, and why.
package struct Rejection: Error, Sendable, Equatable {
    package var reason: RejectionReason
    /// Position in the payload (or topic, for `bad_topic`), from 0.
    package var byteOffset: Int
    /// The field or path concerned, at most 256 bytes; empty when the position says it all.
    package var detail: String

    package init(_ reason: RejectionReason, at byteOffset: Int, _ detail: String = "") {
        self.reason = reason
        self.byteOffset = byteOffset
        self.detail = detail
    }
}

extension Rejection {
    /// Whether the text around it is good JSON all the same, so that reading can go on.
    var isAboutMeaning: Bool {
        switch reason {
        case .notJSON, .nestingTooDeep, .tooManyReadings, .payloadTooLarge, .empty: false
        default: true
        }
    }
}

extension RejectionReason {
    /// The next step of a sender or engineer, as a sentence.
    package var remedy: String {
        switch self {
        case .badTopic: "Publish to vehicles/{vehicle}/telemetry, or map the topic in a source."
        case .badVehicle: "Name the vehicle by \(VehicleName.rule)."
        case .payloadTooLarge: "Split the packet: \(Limits.payloadBytesMax) bytes at most."
        case .empty: "Send a value."
        case .notJSON: "Mend the sender's JSON at that byte; a CSV file is no recording of packets."
        case .nestingTooDeep: "Nest values \(Limits.nestingDepthMax) deep at most."
        case .wrongType: "Send a number there, or map the word (words, no_reading) in the source."
        case .missingField: "Send that member, or point the source at the one that is sent."
        case .duplicateField: "Send each member once."
        case .unsupportedVersion: "Send \"v\":1."
        case .tooManyReadings: "Split the packet: \(Limits.readingsPerPacketMax) readings at most."
        case .noReadings: "Send at least one reading."
        case .unknownSignal: "Use a path of the catalogue, or add this one, then ingest again."
        case .unknownUnit: "Use a unit of what the signal measures, or leave it to the source."
        case .outOfRange: "Look at the unit: the value is outside the catalogue's range."
        case .badTimestamp: "Send RFC 3339 with a zone, or say in the source how time is written."
        case .futureTimestamp: "Set the sender's clock: the time is ahead of its arrival."
        case .timestampTooOld: "Set the sender's clock: the time is before 2000."
        case .unknownSensor: "Enter the sensor in the source's table, then ingest again."
        case .tooManyVehicles: "Remove vehicles: \(Limits.vehiclesMax) are known already."
        }
    }

    /// The place among all cases, for counters.
    package var place: Int { RejectionReason.places[self] ?? 0 }

    private static let places = Dictionary(
        uniqueKeysWithValues: allCases.enumerated().map { ($1, $0) }
    )
}
