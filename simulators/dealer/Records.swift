import Decoding
import Telemetry

/// What the dealer reads of a suggestion.
struct SuggestionRecord: Decodable {
    struct Offer: Decodable {
        var offer: String?
        var start: String
    }

    struct Alert: Decodable {
        var id: Int64
        var rule: String
        var isCrossed: Bool
    }

    var id: Int64
    var version: Int
    var state: String
    var `class`: String
    var vehicle: String
    var attempts: Int
    var appointment: Int64?
    var createdAt: String
    var contactDue: String
    var latestBy: String
    var stationTz: String
    var offers: [Offer]
    var alerts: [Alert]
}

/// What the dealer reads of a visit.
struct VisitRecord: Decodable {
    struct Slot: Decodable {
        var start: String
        var end: String
    }

    struct ToDo: Decodable {
        var kind: String
        var openedAt: String
        var doneAt: String?
    }

    var id: Int64
    var version: Int
    var state: String
    var vehicle: String
    var minutes: Int
    var slot: Slot
    var alerts: [Int64]
    var startedAt: String?
    var arrivedAt: String?
    var toDos: [ToDo]

    func isOpen(_ kind: String) -> Bool { toDos.contains { $0.kind == kind && $0.doneAt == nil } }
}

struct Page<Item: Decodable>: Decodable {
    var items: [Item]
}

extension String {
    /// A time of the API.
    var time: Timestamp {
        TimeForm().instant(of: Array(utf8), receivedAt: .distantPast) ?? .distantPast
    }
}
