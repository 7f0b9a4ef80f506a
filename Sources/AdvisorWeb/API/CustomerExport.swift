package import Store

/// One customer's data, to take away: for a program as JSON, for a person as a page.
package struct CustomerExport: Encodable {
    private static let pageRowsMax = 2_000

    package var customer: String
    package var tables: [ExportedTable]

    package init(customer: String, tables: [ExportedTable]) {
        self.customer = customer
        self.tables = tables
    }

    /// A page of tables; every value is text, none is markup.
    package var html: String {
        var html =
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
            + "<title>\(escaped(customer))</title></head>\n<body><h1>\(escaped(customer))</h1>\n"
        for table in tables where !table.rows.isEmpty {
            // A hundred thousand numbers are for a program.
            guard table.rows.count <= CustomerExport.pageRowsMax else {
                html +=
                    "<h2>\(escaped(table.name))</h2>\n<p>\(table.rows.count): see the JSON.</p>\n"
                continue
            }
            html += "<h2>\(escaped(table.name))</h2>\n"
            for row in table.rows {
                html += "<dl>\n"
                for (column, value) in row.sorted(by: { $0.key < $1.key }) {
                    html += "<dt>\(escaped(column))</dt><dd>\(escaped(value.text))</dd>\n"
                }
                html += "</dl>\n"
            }
        }
        return html + "</body></html>\n"
    }
}

extension ExportedValue {
    fileprivate var text: String {
        switch self {
        case .none: "–"
        case .integer(let value): "\(value)"
        case .real(let value): "\(value)"
        case .text(let value): value
        }
    }
}

private func escaped(_ text: String) -> String {
    var escaped = ""
    for character in text {
        switch character {
        case "&": escaped += "&amp;"
        case "<": escaped += "&lt;"
        case ">": escaped += "&gt;"
        case "\"": escaped += "&quot;"
        default: escaped.append(character)
        }
    }
    return escaped
}
