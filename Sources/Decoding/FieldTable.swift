import Telemetry

/// JSON pointers a source asks for → places among the values collected from a document.
struct FieldTable: Sendable {
    private var names = InternTable()

    init(_ pointers: [String?]) {
        for case let pointer? in pointers { _ = names.intern(Array(pointer.utf8).span) }
    }

    var count: Int { names.count }

    func field(_ pointer: String) -> Int? { names.find(Array(pointer.utf8).span) }

    func field(_ pointer: Span<UInt8>) -> Int? { names.find(pointer) }
}

/// The values of a document at the pointers of a table.
struct FoundFields {
    let table: FieldTable
    var values: [JSONWalk.Value?]

    /// What stands at a pointer; nil where nothing or `null` does.
    func value(_ pointer: String?) -> JSONWalk.Value? {
        guard let found = sent(pointer), found.kind != .null else { return nil }
        return found
    }

    /// What stands at a pointer, `null` too.
    func sent(_ pointer: String?) -> JSONWalk.Value? {
        pointer.flatMap(table.field).flatMap { values[$0] }
    }
}

/// What a source looks for, found by name.
struct SourceFields: Sendable {
    /// Of a packet, or of an element that is a packet of its own.
    let packet: FieldTable
    /// Of an element with a name and a value.
    let parts: FieldTable
    private var names = InternTable()
    private var mappingsOfName: [[Int]] = []

    init(_ source: Source) {
        var pointers = source.conditions.map { Optional($0.pointer) }
        pointers.append(source.clock.pointer)
        pointers.append(source.bodyPointer)
        let walked = source.walk?.parts
        if walked != nil { pointers.append(source.walk?.pointer) }
        for mapping in source.mappings where walked == nil && source.shape == .object {
            pointers += [mapping.from, mapping.unitPointer, mapping.clock?.pointer]
        }
        packet = FieldTable(pointers)
        parts = FieldTable([walked?.name, walked?.value, walked?.clock?.pointer, walked?.unit])
        for (place, mapping) in source.mappings.enumerated() {
            let name = names.intern(Array(mapping.from.utf8).span)
            if name == mappingsOfName.count { mappingsOfName.append([]) }
            mappingsOfName[name].append(place)
        }
    }

    /// The mappings of a value that is named by the topic, a record or an element.
    func mappings(_ name: Span<UInt8>) -> [Int] {
        names.find(name).map { mappingsOfName[$0] } ?? []
    }
}
