SELECT phone FROM customers WHERE part = ?
