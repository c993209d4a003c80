package pages

// mailRoutes are the pages about mail and those who have it.
func (s *Site) mailRoutes() []route {
	return []route{
		{"GET /flow", admin, s.flow},
		{"POST /flow/free", admin, s.freeSender},
		{"GET /queue", admin, s.queueList},
		{"GET /queue/{id}", admin, s.queueEntry},
		{"POST /queue/{act}", admin, s.queueAct},
		{"GET /log", admin, s.logSearch},
		{"GET /log/{trace}", admin, s.logTrace},
		{"GET /accounts", admin, s.accounts},
		{"POST /accounts", admin, s.addAccount},
		{"GET /accounts/{address}", admin, s.account},
		{"POST /accounts/{address}/{act}", admin, s.accountAct},
		{"POST /aliases", admin, s.addAlias},
		{"POST /aliases/remove", admin, s.removeAlias},
		{"GET /domains", admin, s.domains},
		{"GET /domains/{domain}", admin, s.domain},
		{"GET /backups", admin, s.backups},
		{"POST /backups/{act}", admin, s.backupAct},
		{"GET /devices", admin, s.devices},
		{"POST /devices/{kind}", admin, s.addSender},
		{"POST /devices/{kind}/remove", admin, s.removeSender},
	}
}
