/// Of each record that a unit changed the version that it leaves, in the order of the last changes.
func newest<Record>(_ records: [Record], by id: (Record) -> Int64) -> [Record] {
    guard records.count > 1 else { return records }
    var places: [Int64: Int] = [:]
    for (place, record) in records.enumerated() { places[id(record)] = place }
    guard places.count < records.count else { return records }
    return records.enumerated().filter { places[id($0.element)] == $0.offset }.map(\.element)
}

/// The same, with those that have ended first: the schema's indices, which allow one live record of
/// a kind, then hold after each row, although the rows between were left out.
func newest<Record>(
    _ records: [Record],
    by id: (Record) -> Int64,
    endedFirst isLive: (Record) -> Bool
) -> [Record] {
    let left = newest(records, by: id)
    return left.filter { !isLive($0) } + left.filter(isLive)
}
