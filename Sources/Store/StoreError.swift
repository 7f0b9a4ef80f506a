import GRDB

/// Why the store does not do what it was asked.
package enum StoreError: Error, CustomStringConvertible {
    /// Another gateway works on the file.
    case locked(path: String, owner: String)
    /// The file, or the place for it, cannot be opened.
    case unopenable(path: String, cause: String)
    /// A commit failed; nothing of it is in the file. `code` is SQLite's extended result code.
    case commit(code: Int32, message: String)

    /// The schema refuses the unit, now and always: a fault of ours, not of the disk.
    package var isPermanent: Bool {
        if case .commit(let code, _) = self {
            code & 0xff == ResultCode.SQLITE_CONSTRAINT.rawValue
        } else {
            false
        }
    }

    package var description: String {
        switch self {
        case .locked(let path, let owner):
            "another gateway\(owner.isEmpty ? "" : " (\(owner))") works on \(path); stop it, or "
                + "choose another file with store.path"
        case .unopenable(let path, let cause):
            "\(path) cannot be opened: \(cause)"
        case .commit(let code, let message):
            "the store cannot write (SQLite code \(code)): \(message)"
        }
    }

    init(_ error: any Error) {
        if let error = error as? DatabaseError {
            self = .commit(
                code: error.extendedResultCode.rawValue,
                message: error.message ?? "no message"
            )
        } else {
            self = .commit(code: 0, message: "\(error)")
        }
    }
}
